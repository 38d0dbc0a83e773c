import { KairosError } from '@kairos/facts/errors';
import {
  type ExtensionKind,
  type ExtensionProfile,
  extensionKinds,
  profileOfBoot,
} from '@kairos/facts/extensions';
import type { Host } from '@kairos/host/host';
import { isAlive } from '@kairos/host/is-alive';
import { type FetchOptions, fetchExtensions } from '../extensions/fetch.ts';
import { extensionPolicy } from '../extensions/policy.ts';
import {
  breakSeal,
  disableExtension,
  enableExtension,
  findExtension,
  keepSeal,
  readSeal,
  removeExtension,
  type StoredExtension,
  storedExtensions,
} from '../extensions/store.ts';
import { verifyExtension } from '../extensions/verify.ts';
import { bootStateOfHost, checkRoot } from '../operation.ts';
import { lastConfext } from './merge-extensions.ts';

export interface ExtensionOptions {
  readonly kind: ExtensionKind;
  readonly warn: (message: string) => void;
}

function checkSystemd(host: Host, kind: ExtensionKind): void {
  const { program } = extensionKinds[kind];
  if (host.which(program) !== undefined) return;
  throw new KairosError('TOOL_MISSING', `This system has no ${program}, which puts extensions into place`, {
    exit: 'missingTool',
    hint: kind === 'confext' ? 'It comes with systemd 254' : 'It comes with systemd',
  });
}

export function listExtensions(
  host: Host,
  { kind, profile }: { readonly kind: ExtensionKind; readonly profile?: ExtensionProfile },
): readonly StoredExtension[] {
  const all = storedExtensions(host.files, kind);
  return profile === undefined ? all : all.filter(({ profiles }) => profiles.includes(profile));
}

/** Whether the running boot takes extensions of a profile. */
function isBooted(host: Host, profile: ExtensionProfile): boolean {
  const booted = profileOfBoot(bootStateOfHost(host));
  return booted !== undefined && (profile === 'common' || profile === booted);
}

/** Puts the links of this boot right and lets systemd lay the extensions out anew; gives when that holds. */
async function refresh(
  host: Host,
  { kind, warn }: ExtensionOptions,
  name: string,
  linked: boolean,
): Promise<ChangeResult['effective']> {
  const { run, store, unit } = extensionKinds[kind];
  const link = `${run}/${name}`;
  if (linked) {
    host.files.makeDirectory(run);
    host.files.symlink(`${store}/${name}`, link);
  } else host.files.remove(link);
  if (kind === 'confext' && host.files.list(run).length === 0) {
    warn(lastConfext);
    return 'next start';
  }
  await host.run(['systemctl', 'restart', unit]);
  return 'now';
}

export interface ChangeResult {
  readonly name: string;
  readonly changed: boolean;
  /** What holds for the running system: `now`, or from the next start on. */
  readonly effective: 'now' | 'next start';
}

interface ChangeOptions extends ExtensionOptions {
  readonly name: string;
  readonly profile: ExtensionProfile;
  readonly now: boolean;
}

/**
 * Enables an extension for boots of a profile. It is verified again, since the policy may have become stricter.
 * @throws KairosError `NOT_ROOT`, `EXTENSION_*`, and those of {@link verifyExtension}
 */
export async function enableExtensionVerb(host: Host, options: ChangeOptions): Promise<ChangeResult> {
  checkRoot(host);
  const { kind, profile, warn } = options;
  checkSystemd(host, kind);
  const { name, path, size } = findExtension(host.files, kind, options.name);
  if (size === undefined) {
    throw new KairosError('EXTENSION_NOT_FOUND', `The image of ${name} is gone: ${path}`, {
      exit: 'notFound',
    });
  }
  const known = readSeal(host.files, kind, name);
  const policy = await extensionPolicy(host, warn);
  const { seal } = await verifyExtension(host, path, { kind, name, policy, seal: known, warn });
  if (known === undefined) keepSeal(host.files, kind, name, seal);
  const changed = enableExtension(host.files, kind, profile, name);
  return { name, changed, effective: await takeEffect(host, options, name, true) };
}

async function takeEffect(
  host: Host,
  options: ChangeOptions,
  name: string,
  linked: boolean,
): Promise<ChangeResult['effective']> {
  const { kind, profile, now, warn } = options;
  if (!now) return 'next start';
  if (!isBooted(host, profile)) {
    warn(`--now: the running system was not started as ${profile}; it changes at the next such start`);
    return 'next start';
  }
  // Disabled in one profile it may still be enabled in another that counts.
  const stays =
    linked ||
    storedExtensions(host.files, kind)
      .find((one) => one.name === name)
      ?.profiles.some((one) => isBooted(host, one)) === true;
  return await refresh(host, options, name, stays);
}

/** @throws KairosError `NOT_ROOT`, `EXTENSION_*` */
export async function disableExtensionVerb(host: Host, options: ChangeOptions): Promise<ChangeResult> {
  checkRoot(host);
  const { kind, profile } = options;
  const { name } = findExtension(host.files, kind, options.name);
  const changed = disableExtension(host.files, kind, profile, name);
  return { name, changed, effective: await takeEffect(host, options, name, false) };
}

export interface InstalledExtension {
  readonly name: string;
  readonly proof: 'signed' | 'verity' | 'none';
  readonly rootHash?: string;
}

/** Begins the name of a folder in which a process, whose number ends it, has what is not verified; no extension begins so. */
const incoming = '.incoming-';

/** Removes what runs that were killed have left; another may be fetching at this moment. */
function removeLeftovers({ files }: Host, store: string): void {
  for (const name of files.list(store)) {
    if (!name.startsWith(incoming)) continue;
    const pid = Number(name.slice(incoming.length));
    if (pid > 0 && pid !== process.pid && isAlive(pid)) continue;
    files.remove(`${store}/${name}`);
  }
}

/**
 * Fetches, verifies and keeps the extensions of a URI; none is enabled by that. Where one of several is refused, none is
 * kept.
 * @throws KairosError `NOT_ROOT`, and those of {@link fetchExtensions} and {@link verifyExtension}
 */
export async function installExtensions(
  host: Host,
  uri: string,
  options: ExtensionOptions & FetchOptions,
): Promise<InstalledExtension[]> {
  checkRoot(host);
  const { kind, warn } = options;
  checkSystemd(host, kind);
  const policy = await extensionPolicy(host, warn);
  const { store } = extensionKinds[kind];
  const { files } = host;
  const folder = `${store}/${incoming}${process.pid}`;
  removeLeftovers(host, store);
  files.makeDirectory(folder, { mode: 0o700 });
  try {
    const names = await fetchExtensions(host, uri, folder, options);
    const verified: (InstalledExtension & { readonly seal: string })[] = [];
    for (const name of names) {
      const { proof, rootHash, seal } = await verifyExtension(host, `${folder}/${name}`, {
        kind,
        name,
        policy,
        warn,
      });
      verified.push({ name, proof, seal, ...(rootHash === undefined ? {} : { rootHash }) });
    }
    for (const { name, seal } of verified) {
      // A power cut in between leaves an image without a seal, and none with that of another.
      breakSeal(files, kind, name);
      files.chmod(`${folder}/${name}`, 0o644);
      files.chown(`${folder}/${name}`, 0, 0);
      files.rename(`${folder}/${name}`, `${store}/${name}`);
      keepSeal(files, kind, name, seal);
    }
    return verified.map(({ seal: _, ...installed }) => installed);
  } finally {
    files.remove(folder);
  }
}

/** @throws KairosError `NOT_ROOT`, `EXTENSION_*` */
export async function removeExtensionVerb(
  host: Host,
  options: ExtensionOptions & { readonly name: string; readonly now: boolean },
): Promise<ChangeResult> {
  checkRoot(host);
  const { kind, now } = options;
  const { name } = findExtension(host.files, kind, options.name);
  const linked = host.files.status(`${extensionKinds[kind].run}/${name}`) !== undefined;
  removeExtension(host.files, kind, name);
  if (!linked) return { name, changed: true, effective: 'now' };
  const effective = now ? await refresh(host, options, name, false) : 'next start';
  return { name, changed: true, effective };
}
