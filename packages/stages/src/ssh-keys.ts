import { KiB } from '@kairos/facts/size';
import type { PasswdEntry } from './accounts.ts';
import { isRemoteKey } from './cloud-init.ts';
import type { ModuleContext } from './context.ts';
import { fetchContent } from './fetch-content.ts';
import type { Field } from './field.ts';

const maximumKeys = 256 * KiB;

/** Where the keys of `github:NAME`, `gitlab:NAME` or an address are. */
function keyAddress(text: string, field: Field): string {
  const [, site, name] = /^(github|gitlab):(.*)$/.exec(text) ?? [];
  if (site === undefined || name === undefined) return text;
  if (!/^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?$/.test(name)) {
    throw field.invalid('KEY_SOURCE_INVALID', `${JSON.stringify(name)} cannot be a user of ${site}`);
  }
  return `https://${site}.com/${name}.keys`;
}

/** What two lines have in common when they are the same key: the base64 part, whatever comment follows. */
function keyOf(line: string): string {
  return /(?:^|\s)(AAAA[A-Za-z0-9+/]{16,}={0,2})(?:\s|$)/.exec(line)?.[1] ?? line.trim();
}

function linesOf(text: string): string[] {
  return text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
}

async function keysOf(item: Field, context: ModuleContext): Promise<string[]> {
  const text = (context.render(item) ?? '').trim();
  if (text === '') return [];
  if (!isRemoteKey(text)) return linesOf(text);
  const url = keyAddress(text, item);
  if (context.dryRun) {
    context.note({ kind: 'download', summary: `take the keys of ${url}` });
    return [];
  }
  const bytes = await fetchContent(context.services, url, { size: maximumKeys, time: 20_000, attempts: 5 });
  return linesOf(new TextDecoder().decode(bytes));
}

/** A directory or file in a home that must be what it seems: its owner could point a link at someone else's. */
function refuseLink(path: string, item: Field, context: ModuleContext): void {
  const status = context.host.files.status(path);
  if (status?.kind === 'symlink' && status.uid !== 0) {
    throw item.invalid('LINK_UNSAFE', `${path} is a symbolic link that its user made; it is not followed`);
  }
}

/**
 * Adds keys to `~/.ssh/authorized_keys` of a user: the directory 0700, the file 0600, both the user's; a key that is
 * there already is not added again. A source that cannot be fetched is reported and keeps the others.
 */
export async function addAuthorizedKeys(
  user: PasswdEntry,
  list: Field,
  context: ModuleContext,
): Promise<void> {
  const { files } = context.host;
  const wanted: string[] = [];
  for (const item of list.items()) {
    await context.attempt(item, async () => {
      wanted.push(...(await keysOf(item, context)));
    });
  }
  if (wanted.length === 0) return;
  const folder = `${user.home.replace(/\/+$/, '')}/.ssh`;
  const path = `${folder}/authorized_keys`;
  refuseLink(folder, list, context);
  refuseLink(path, list, context);
  const old = files.readTextIfAny(path) ?? '';
  const known = new Set(linesOf(old).map(keyOf));
  const added = wanted.filter((line) => {
    const key = keyOf(line);
    if (known.has(key)) return false;
    known.add(key);
    return true;
  });
  if (files.status(folder) === undefined) {
    files.makeDirectory(folder, { mode: 0o700 });
  }
  files.chown(folder, user.uid, user.gid);
  files.chmod(folder, 0o700);
  const before = old === '' || old.endsWith('\n') ? old : `${old}\n`;
  files.write(path, `${before}${added.map((line) => `${line}\n`).join('')}`, {
    mode: 0o600,
    uid: user.uid,
    gid: user.gid,
  });
}
