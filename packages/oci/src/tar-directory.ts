import { lstatSync, readdirSync, readlinkSync, type Stats } from 'node:fs';
import { join } from 'node:path';
import { readXattrsCall } from '@kairos/host/system-calls';
import { readFileStream } from './file-stream.ts';
import type { TarEntryType } from './tar-header.ts';
import { type TarWriteEntry, writeTar } from './tar-write.ts';

export interface TarDirectoryOptions {
  /** Times later than this, in seconds since 1970, become this (`SOURCE_DATE_EPOCH`). Default: none is changed. */
  readonly latest?: number;
  /** Leaves a path (relative, as in the archive) and what is below it out. */
  readonly exclude?: (path: string) => boolean;
  /** Told of what a tar archive cannot hold: sockets. */
  readonly onSkip?: (path: string) => void;
}

function typeOf(status: Stats): TarEntryType | undefined {
  if (status.isFile()) return 'file';
  if (status.isDirectory()) return 'directory';
  if (status.isSymbolicLink()) return 'symlink';
  if (status.isCharacterDevice()) return 'character-device';
  if (status.isBlockDevice()) return 'block-device';
  if (status.isFIFO()) return 'fifo';
  return undefined;
}

/** Inverse of `new_encode_dev` of the kernel, in the form that glibc's makedev gives to 64 bits. */
function deviceNumbers(device: number): { major: number; minor: number } {
  const value = BigInt(device);
  return {
    major: Number(((value >> 8n) & 0xfffn) | ((value >> 32n) & 0xfffff000n)),
    minor: Number((value & 0xffn) | ((value >> 12n) & 0xffffff00n)),
  };
}

/** Everything below a directory as entries, each directory's names in the order of their bytes. */
export function* directoryEntries(root: string, options: TarDirectoryOptions = {}): Generator<TarWriteEntry> {
  const links = new Map<string, string>();
  function* walk(relative: string): Generator<TarWriteEntry> {
    const names = readdirSync(join(root, relative)).map((name) => [name, Buffer.from(name)] as const);
    names.sort(([, a], [, b]) => Buffer.compare(a, b));
    for (const [name] of names) {
      const path = relative === '' ? name : `${relative}/${name}`;
      if (options.exclude?.(path)) continue;
      const place = join(root, path);
      const status = lstatSync(place);
      const type = typeOf(status);
      if (type === undefined) {
        options.onSkip?.(path);
        continue;
      }
      const modified = Math.floor(status.mtimeMs / 1000);
      const common = {
        path,
        type,
        mode: status.mode & 0o7777,
        uid: status.uid,
        gid: status.gid,
        modified: Math.min(modified, options.latest ?? modified),
      };
      if (type !== 'directory' && status.nlink > 1) {
        const inode = `${status.dev}:${status.ino}`;
        const first = links.get(inode);
        if (first !== undefined) {
          yield { ...common, type: 'hardlink', linkName: first };
          continue;
        }
        links.set(inode, path);
      }
      const xattrs = readXattrsCall(place);
      const entry = xattrs.size === 0 ? common : { ...common, xattrs };
      if (type === 'file') yield { ...entry, size: status.size, content: readFileStream(place) };
      else if (type === 'symlink') yield { ...entry, linkName: readlinkSync(place) };
      else if (type === 'character-device' || type === 'block-device') {
        const { major, minor } = deviceNumbers(status.rdev);
        yield { ...entry, deviceMajor: major, deviceMinor: minor };
      } else yield entry;
      if (type === 'directory') yield* walk(path);
    }
  }
  yield* walk('');
}

/** A tree as a tar stream whose bytes depend on its contents alone: sorted, owners by number, times clamped. */
export function tarDirectory(root: string, options: TarDirectoryOptions = {}): AsyncGenerator<Uint8Array> {
  return writeTar(directoryEntries(root, options));
}
