import type { HostFiles } from './host.ts';

/** One entry of a tree: all that tells two versions of it apart. */
export interface TreeEntry {
  readonly type: 'file' | 'directory' | 'symlink' | 'other';
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes of a file. */
  readonly size?: number;
  /** SHA-256 of a file's content, hexadecimal. Absent where the size alone tells that the file is another one. */
  readonly sha256?: string;
  /** Target of a symbolic link. */
  readonly target?: string;
}

/**
 * Entries by their path relative to the root of the tree, parents before children. The root itself is `.`. A map and
 * not an object: names are anything a file system can hold, `__proto__` included.
 */
export type TreeListing = ReadonlyMap<string, TreeEntry>;

/** The name of a tree's root in a {@link TreeListing}. */
export const treeRoot = '.';

function entryAt(
  files: HostFiles,
  place: string,
  isNeeded: (size: number) => boolean = () => true,
): TreeEntry | undefined {
  const status = files.status(place);
  if (status === undefined) return undefined;
  const { mode, uid, gid, size } = status;
  switch (status.kind) {
    case 'file':
      return {
        ...{ type: 'file', mode, uid, gid, size },
        ...(isNeeded(size) ? { sha256: files.sha256(place) } : {}),
      };
    case 'symlink':
      return { type: 'symlink', mode, uid, gid, target: files.readLink(place) };
    case 'directory':
      return { type: 'directory', mode, uid, gid };
    default:
      return { type: 'other', mode, uid, gid };
  }
}

/**
 * Lists a tree with the digests of its files. Follows no symbolic link but the root itself; leaves out names that are
 * not UTF-8.
 * @param skip absolute paths that are not entered, such as mount points
 */
export function listTree(
  files: HostFiles,
  root: string,
  skip: ReadonlySet<string> = new Set(),
): Map<string, TreeEntry> {
  const entries = new Map<string, TreeEntry>();
  const top = entryAt(files, `${root}/.`);
  if (top === undefined) return entries;
  entries.set(treeRoot, top);
  const visit = (directory: string, prefix: string): void => {
    for (const name of files.list(directory)) {
      const place = `${directory}/${name}`;
      if (skip.has(place)) continue;
      const entry = entryAt(files, place);
      if (entry === undefined) continue;
      entries.set(`${prefix}${name}`, entry);
      if (entry.type === 'directory') visit(place, `${prefix}${name}/`);
    }
  };
  visit(root, '');
  return entries;
}

/** The path of the directory that holds an entry; `.` for those at the top. */
export function parentOf(name: string): string {
  const slash = name.lastIndexOf('/');
  return slash < 0 ? treeRoot : name.slice(0, slash);
}

/**
 * Lists of a tree only what the given listings name, so that the cost is that of what an image ships and not that of
 * all that users keep beside it. Of a directory that some listing has and a later one has not, all names are listed,
 * because it can go only when it is empty. A file whose size no listing has is not read.
 * @param listings from the oldest to the newest
 */
export function listNamed(
  files: HostFiles,
  root: string,
  listings: readonly TreeListing[],
): Map<string, TreeEntry> {
  const names = new Set<string>([treeRoot]);
  for (const listing of listings) for (const name of listing.keys()) names.add(name);
  const entries = new Map<string, TreeEntry>();
  const known = (name: string) => listings.map((listing) => listing.get(name));
  const add = (name: string): void => {
    if (entries.has(name)) return;
    const place = name === treeRoot ? `${root}/.` : `${root}/${name}`;
    const entry = entryAt(files, place, (size) => known(name).some((one) => one?.size === size));
    if (entry === undefined) return;
    entries.set(name, entry);
    const all = known(name);
    const leaves =
      all.some((one) => one?.type === 'directory') && all.some((one) => one?.type !== 'directory');
    if (entry.type === 'directory' && leaves) {
      for (const child of files.list(place)) add(`${name}/${child}`);
    }
  };
  for (const name of names) {
    // What lies behind a symbolic link is not part of this tree.
    if (name !== treeRoot && entries.get(parentOf(name))?.type !== 'directory') continue;
    add(name);
  }
  return entries;
}

/** A listing as JSON has it. */
export function listingToJson(listing: TreeListing): Readonly<Record<string, TreeEntry>> {
  return Object.fromEntries(listing);
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const types: readonly unknown[] = ['file', 'directory', 'symlink', 'other'] satisfies TreeEntry['type'][];

/** Reads what {@link listingToJson} gave; `undefined` where it is something else. */
export function listingFromJson(value: unknown): TreeListing | undefined {
  if (!isRecord(value)) return undefined;
  const listing = new Map<string, TreeEntry>();
  for (const [name, entry] of Object.entries(value)) {
    const whole =
      isRecord(entry) &&
      types.includes(entry.type) &&
      [entry.mode, entry.uid, entry.gid].every((number) => Number.isSafeInteger(number)) &&
      !name.startsWith('/') &&
      !name.split('/').includes('..');
    if (!whole) return undefined;
    listing.set(name, entry as unknown as TreeEntry);
  }
  return listing;
}

/** Bytes of all files in a tree. */
export function sizeBelow(files: HostFiles, directory: string): number {
  return files.list(directory).reduce((sum, name) => {
    const status = files.status(`${directory}/${name}`);
    if (status?.kind === 'directory') return sum + sizeBelow(files, `${directory}/${name}`);
    return sum + (status?.kind === 'file' ? status.size : 0);
  }, 0);
}
