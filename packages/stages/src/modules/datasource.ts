import { parseDocument } from '@kairos/config/document';
import { reasonOf } from '@kairos/facts/errors';
import { didYouMean } from '@kairos/facts/suggest';
import { findUser } from '../accounts.ts';
import type { ModuleContext, StageModule } from '../context.ts';
import type { Instance } from '../datasources/instance.ts';
import { localSources } from '../datasources/media.ts';
import { metadataServices } from '../datasources/metadata-services.ts';
import { MetadataSession } from '../datasources/session.ts';
import { readUserData } from '../datasources/user-data.ts';
import type { Field } from '../field.ts';
import { addAuthorizedKeys } from '../ssh-keys.ts';
import { absolutePath } from './files.ts';
import { hostname } from './hostname.ts';

const configFolder = '/run/config';
/** Milliseconds in which a metadata service has to show that it is there: what a node without any loses. */
const probeTime = 1500;

interface Found {
  readonly provider: string;
  readonly instance: Instance;
}

/**
 * Asks all services at once. The first with user data wins and stops the others; without any, the first that knew the
 * machine.
 */
async function race(names: readonly string[], context: ModuleContext): Promise<Found | undefined> {
  if (names.length === 0) return undefined;
  const stop = new AbortController();
  const deadline = performance.now() + probeTime;
  let known: Found | undefined;
  const ask = async (provider: string): Promise<Found> => {
    const service = metadataServices[provider];
    if (service === undefined) throw new Error(provider);
    const address = context.services.metadataServers?.[provider] ?? service.address;
    const session = new MetadataSession(context.services, address, deadline, stop.signal);
    const instance = await service.find(session);
    if (instance === undefined) throw new Error('another service answers there');
    const found = { provider, instance };
    known ??= found;
    if (instance.userData === undefined) throw new Error('no user data');
    return found;
  };
  try {
    return await Promise.any(
      names.map(async (name) => {
        try {
          return await ask(name);
        } catch (error) {
          if (!stop.signal.aborted) context.log(`data source ${name}: ${reasonOf(error)}`);
          throw error;
        }
      }),
    );
  } catch {
    return known;
  } finally {
    stop.abort();
  }
}

/** The providers asked for, each once; unknown ones are told. */
function providersOf(field: Field, context: ModuleContext): string[] {
  const known = [...Object.keys(localSources), ...Object.keys(metadataServices), 'file'];
  const names: string[] = [];
  for (const item of field.items()) {
    const name = (item.text() ?? '').trim().toLowerCase();
    if (name === '' || names.includes(name)) continue;
    if (known.includes(name)) names.push(name);
    else {
      const near = didYouMean(name, known);
      context.report({
        severity: 'warning',
        code: 'PROVIDER_UNKNOWN',
        message: `there is no data source ${JSON.stringify(name)}${near === undefined ? '' : `, did you mean ${near}?`}`,
        position: item.position,
      });
    }
  }
  return names;
}

async function locate(
  names: readonly string[],
  field: Field,
  context: ModuleContext,
): Promise<Found | undefined> {
  let known: Found | undefined;
  for (const provider of names) {
    const source = localSources[provider];
    if (source === undefined) continue;
    const instance = await source.find(context).catch((error: unknown) => {
      context.log(`data source ${provider}: ${reasonOf(error)}`);
      return undefined;
    });
    if (instance?.userData !== undefined) return { provider, instance };
    if (instance !== undefined) known ??= { provider, instance };
  }
  if (names.includes('file') && !field.key('path').empty) {
    const path = absolutePath(field.key('path'), context);
    const status = context.host.files.status(path);
    if (status?.kind === 'file') {
      return { provider: 'file', instance: { userData: context.host.files.readBytes(path) } };
    }
  }
  const found = await race(
    names.filter((name) => Object.hasOwn(metadataServices, name)),
    context,
  );
  return found?.instance.userData === undefined ? (known ?? found) : found;
}

async function takeUserData(
  userData: Uint8Array,
  folder: string,
  name: string,
  field: Field,
  context: ModuleContext,
) {
  const { files, run } = context.host;
  // Whoever reads it would read the secrets of the machine.
  const secret = { mode: 0o600 };
  const read = readUserData(userData);
  if (read.kind === 'script') {
    const path = `${folder}/userdata`;
    files.write(path, read.text, { mode: 0o700 });
    await run([files.real(path)], { onLine: (line) => context.log(line) });
    return;
  }
  files.write(`${folder}/userdata`, userData, secret);
  if (read.kind === 'unknown') {
    context.report({
      severity: 'warning',
      code: 'USER_DATA_UNKNOWN',
      message: 'the user data is neither a cloud-config nor a script; it is kept and not used',
      position: field.position,
    });
    return;
  }
  files.write(`${folder}/${name}`, read.text, secret);
  // Told here already; the stages that read it later will tell again.
  parseDocument(read.text, `${folder}/${name}`);
}

/**
 * Finds the user data of this machine: media first, then all metadata services at once. Writes `userdata` as it came
 * and the configuration in it below `path` (`/run/config`), names the machine and gives root its keys.
 */
export const datasource: StageModule = async (field, context, keys) => {
  const { files } = context.host;
  field.checkKeys(['providers', 'path', 'userdata_name'], context.report);
  const providers = providersOf(field.key('providers'), context);
  if (providers.length === 0) return;
  const name = context.render(field.key('userdata_name')) || 'userdata.yaml';
  if (name.includes('/') || name === '.' || name === '..') {
    throw field.key('userdata_name').invalid('NAME_INVALID', `${JSON.stringify(name)} is not a file name`);
  }
  const found = await locate(providers, field, context);
  if (found === undefined) {
    throw field.invalid('USER_DATA_MISSING', `none of ${providers.join(', ')} has data for this machine`);
  }
  context.log(`data source ${found.provider} has data for this machine`);
  const { instance } = found;
  const given = field.key('path');
  const folder =
    given.empty || given.value === '' || found.provider === 'file'
      ? configFolder
      : absolutePath(given, context);
  for (const [file, text] of [
    ['hostname', instance.hostname],
    ['instance_id', instance.instanceId],
  ] as const) {
    if (text !== undefined) files.write(`${configFolder}/${file}`, `${text}\n`);
  }
  if (instance.hostname !== undefined) {
    const [label = ''] = instance.hostname.split(/\s/);
    await context.attempt(field, () => hostname(field.with(label), context, keys));
  }
  const { keys: lines } = instance;
  if (lines !== undefined) {
    await context.attempt(field, async () => {
      files.write(`${configFolder}/ssh/authorized_keys`, `${lines.join('\n')}\n`, { mode: 0o600 });
      const root = findUser(files, 'root');
      if (root !== undefined) await addAuthorizedKeys(root, field.with(lines), context);
    });
  }
  const { userData } = instance;
  if (userData === undefined) {
    context.report({
      severity: 'warning',
      code: 'USER_DATA_EMPTY',
      message: `${found.provider} knows this machine and has no user data for it`,
      position: field.position,
    });
    return;
  }
  await context.attempt(field, () => takeUserData(userData, folder, name, field, context));
};
