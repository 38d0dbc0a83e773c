import { Field, isRecord } from './field.ts';
import { type ProblemSink, problemOf } from './problem.ts';

/** A step made from cloud-config keys at the root of a document. */
export interface CloudConfigStep {
  readonly name: string;
  readonly field: Field;
  readonly modules: ReadonlyMap<string, Field>;
}

/** A key that has to be fetched, and so waits for the network. */
export function isRemoteKey(key: string): boolean {
  return /^(github|gitlab|https?):/.test(key);
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

/** The names of the users; `default` asks a distribution for its own user, of which there is none here. */
function userItems(users: Field): Field[] {
  if (isRecord(users.value)) return users.entries().map(([, user]) => user);
  return users.items().filter((user) => user.value !== 'default');
}

function userName(user: Field): string | undefined {
  const named = user.key('name').text();
  if (named !== undefined) return named;
  const last = user.path.at(-1);
  return typeof last === 'string' ? last : undefined;
}

/** A user without the keys that have to be fetched. */
function withLocalKeys(user: Field): unknown {
  const keys = user.key('ssh_authorized_keys');
  if (!isRecord(user.value) || keys.empty) return user.value;
  return { ...user.value, ssh_authorized_keys: keys.texts().filter((key) => !isRemoteKey(key)) };
}

/**
 * Translates the keys of cloud-init that are in use on nodes: `runcmd`, `write_files`, `users`,
 * `ssh_authorized_keys` and `growpart` become steps of `boot`, `hostname` of `initramfs`, and keys that have to be
 * fetched of `network`.
 */
export function translateCloudConfig(
  root: Field,
  report: ProblemSink,
): ReadonlyMap<string, CloudConfigStep[]> {
  const boot = new Map<string, Field>();
  const network = new Map<string, Field>();
  const stages = new Map<string, CloudConfigStep[]>();
  const add = (stage: string, name: string, modules: ReadonlyMap<string, Field>, field: Field): void => {
    if (modules.size === 0) return;
    const list = stages.get(stage) ?? [];
    list.push({ name, field, modules });
    stages.set(stage, list);
  };
  const attempt = (key: string, translate: (field: Field) => void): void => {
    const field = root.key(key);
    if (field.empty) return;
    try {
      translate(field);
    } catch (error) {
      report(problemOf(error, { position: field.position }));
    }
  };

  attempt('runcmd', (field) => {
    boot.set(
      'commands',
      field.with(
        field.items().flatMap((item) => {
          if (!Array.isArray(item.value)) return item.text() ?? [];
          return item.texts().map(quoted).join(' ');
        }),
      ),
    );
  });
  const names: string[] = [];
  const local: Record<string, string[]> = {};
  const remote: Record<string, string[]> = {};
  let keyPlace = root;
  attempt('users', (field) => {
    const users: unknown[] = [];
    for (const user of userItems(field)) {
      const name = userName(user);
      users.push(
        isRecord(user.value) && name !== undefined
          ? { ...(withLocalKeys(user) as object), name }
          : user.value,
      );
      if (name === undefined || !isRecord(user.value)) continue;
      names.push(name);
      const fetched = user.key('ssh_authorized_keys').texts().filter(isRemoteKey);
      if (fetched.length > 0) remote[name] = fetched;
    }
    keyPlace = field;
    if (users.length > 0) boot.set('users', field.with(users));
  });
  attempt('ssh_authorized_keys', (field) => {
    const keys = field.texts();
    keyPlace = field;
    for (const name of names.length > 0 ? names : ['root']) {
      const here = keys.filter((key) => !isRemoteKey(key));
      const fetched = keys.filter(isRemoteKey);
      if (here.length > 0) local[name] = [...(local[name] ?? []), ...here];
      if (fetched.length > 0) remote[name] = [...(remote[name] ?? []), ...fetched];
    }
  });
  if (Object.keys(local).length > 0) boot.set('authorized_keys', keyPlace.with(local));
  if (Object.keys(remote).length > 0) network.set('authorized_keys', keyPlace.with(remote));
  // A file of a user that is only now made has to wait for it, as must what asks for that by `defer`.
  const late = new Map<string, Field>();
  attempt('write_files', (field) => {
    const waits = (item: Field): boolean => {
      const [owner = '', group = ''] = (item.key('owner').text() ?? '').split(':');
      return (item.key('defer').flag() ?? false) || names.includes(owner) || names.includes(group);
    };
    const items = field.items().filter((item) => !item.empty);
    const now = items.filter((item) => !waits(item));
    if (now.length === items.length) boot.set('files', field);
    else {
      boot.set('files', field.with(now.map(({ value }) => value)));
      late.set('files', field.with(items.filter(waits).map(({ value }) => value)));
    }
  });
  add('boot', 'cloud-config', boot, root);
  add('boot', 'cloud-config files of users', late, root.key('write_files'));
  add('network', 'cloud-config keys', network, keyPlace);

  attempt('growpart', (field) => {
    const devices = field.key('devices');
    for (const device of devices.items()) {
      const path = device.text();
      if (path === undefined) continue;
      const layout = new Field(device.document, device.path, {
        device: { path },
        expand_partition: { size: 0 },
      });
      add('boot', `cloud-config growpart ${path}`, new Map([['layout', layout]]), device);
    }
  });
  attempt('hostname', (field) => {
    add('initramfs', 'cloud-config hostname', new Map([['hostname', field]]), field);
  });
  return stages;
}
