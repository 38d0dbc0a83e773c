import { KairosError } from '@kairos/facts/errors';
import {
  type ExtensionKind,
  type ExtensionProfile,
  extensionKinds,
  extensionProfiles,
} from '@kairos/facts/extensions';
import { didYouMean } from '@kairos/facts/suggest';
import type { HostFiles } from '@kairos/host/host';

export interface StoredExtension {
  /** File name, with `.raw`. */
  readonly name: string;
  readonly path: string;
  /** Bytes; `undefined` for a link whose image is gone. */
  readonly size: number | undefined;
  readonly profiles: readonly ExtensionProfile[];
}

/** A name that is a plain file name, and that systemd takes for an image. */
const namePattern = /^[A-Za-z0-9][A-Za-z0-9._+~-]{0,200}\.raw$/;

/** @throws KairosError `EXTENSION_NAME` */
export function checkExtensionName(name: string): string {
  if (namePattern.test(name) && !name.includes('..')) return name;
  throw new KairosError('EXTENSION_NAME', `${JSON.stringify(name)} is no name of an extension`, {
    exit: 'invalidInput',
    hint: 'It is letters, digits, dots, hyphens, and .raw at the end',
  });
}

const linkOf = (kind: ExtensionKind, profile: ExtensionProfile, name: string) =>
  `${extensionKinds[kind].store}/${profile}/${name}`;

/** Beside the images: no name of an image begins with a dot. */
const sealOf = (kind: ExtensionKind, name: string) => `${extensionKinds[kind].store}/.seals/${name}`;

/** The seal that an image had when it was verified; `undefined` for one that something else put there. */
export function readSeal(files: HostFiles, kind: ExtensionKind, name: string): string | undefined {
  return files.readTextIfAny(sealOf(kind, name))?.trim();
}

/** Keeps what an image is, so that a later start sees whether it still is. */
export function keepSeal(files: HostFiles, kind: ExtensionKind, name: string, seal: string): void {
  files.write(sealOf(kind, name), `${seal}\n`);
}

/** Forgets what was verified under a name, before another image gets it. */
export function breakSeal(files: HostFiles, kind: ExtensionKind, name: string): void {
  if (files.status(sealOf(kind, name)) === undefined) return;
  files.remove(sealOf(kind, name));
  files.sync(`${extensionKinds[kind].store}/.seals`);
}

/** What is installed or enabled, by name. */
export function storedExtensions(files: HostFiles, kind: ExtensionKind): StoredExtension[] {
  const { store } = extensionKinds[kind];
  const images = files
    .list(store)
    .filter((name) => namePattern.test(name) && files.status(`${store}/${name}`)?.kind === 'file');
  const enabled = extensionProfiles.map(
    (profile) =>
      [profile, files.list(`${store}/${profile}`).filter((name) => namePattern.test(name))] as const,
  );
  const names = new Set([...images, ...enabled.flatMap(([, list]) => list)]);
  return [...names].sort().map((name) => ({
    name,
    path: `${store}/${name}`,
    size: files.status(`${store}/${name}`)?.size,
    profiles: enabled.flatMap(([profile, list]) => (list.includes(name) ? [profile] : [])),
  }));
}

/**
 * The extension that a user means: by its file name, by that without `.raw`, or by a regular expression that only one fits.
 * @throws KairosError `EXTENSION_NOT_FOUND`, `EXTENSION_AMBIGUOUS`, `EXTENSION_NAME`
 */
export function findExtension(files: HostFiles, kind: ExtensionKind, wanted: string): StoredExtension {
  const all = storedExtensions(files, kind);
  const exact = all.find(({ name }) => name === wanted || name === `${wanted}.raw`);
  if (exact) return exact;
  let pattern: RegExp;
  try {
    pattern = new RegExp(wanted);
  } catch {
    throw new KairosError(
      'EXTENSION_NAME',
      `${JSON.stringify(wanted)} is neither a name nor a regular expression`,
      {
        exit: 'usage',
      },
    );
  }
  const fitting = all.filter(({ name }) => pattern.test(name));
  const [first] = fitting;
  if (first && fitting.length === 1) return first;
  const names = (list: readonly StoredExtension[]) => list.map(({ name }) => name).join(', ');
  if (first) {
    throw new KairosError('EXTENSION_AMBIGUOUS', `${wanted} means several: ${names(fitting)}`, {
      exit: 'usage',
    });
  }
  const meant = didYouMean(
    wanted,
    all.map(({ name }) => name),
  );
  throw new KairosError('EXTENSION_NOT_FOUND', `No ${kind} ${JSON.stringify(wanted)} is installed`, {
    exit: 'notFound',
    hint: meant ? `Did you mean ${meant}?` : `Installed are: ${names(all) || 'none'}`,
  });
}

/** Enables an extension for the boots of a profile; gives whether that is new. */
export function enableExtension(
  files: HostFiles,
  kind: ExtensionKind,
  profile: ExtensionProfile,
  name: string,
): boolean {
  const link = linkOf(kind, profile, name);
  const target = `${extensionKinds[kind].store}/${name}`;
  if (files.status(link)?.kind === 'symlink' && files.readLink(link) === target) return false;
  files.makeDirectory(`${extensionKinds[kind].store}/${profile}`);
  files.symlink(target, link);
  files.sync(`${extensionKinds[kind].store}/${profile}`);
  return true;
}

/** Gives whether it was enabled. */
export function disableExtension(
  files: HostFiles,
  kind: ExtensionKind,
  profile: ExtensionProfile,
  name: string,
): boolean {
  const link = linkOf(kind, profile, name);
  if (files.status(link) === undefined) return false;
  files.remove(link);
  files.sync(`${extensionKinds[kind].store}/${profile}`);
  return true;
}

/** Removes an image: first the links, so that a boot in between finds none that leads nowhere. */
export function removeExtension(
  files: HostFiles,
  kind: ExtensionKind,
  name: string,
): readonly ExtensionProfile[] {
  const profiles = extensionProfiles.filter((profile) => disableExtension(files, kind, profile, name));
  files.remove(`${extensionKinds[kind].store}/${name}`);
  breakSeal(files, kind, name);
  return profiles;
}
