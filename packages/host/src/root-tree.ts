import { createHash } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  closeSync,
  copyFileSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path/posix';
import { isSystemError, KairosError } from '@kairos/facts/errors';
import { followLinks, type LinkAt } from './follow-links.ts';

export interface TreeWriteOptions {
  /** Permission bits. Default 0o644. */
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
}

/**
 * The tree of another system in a directory. Symbolic links are followed as a process inside it would, so that an
 * absolute link of a distribution's root, or a hostile one, leads neither reading nor writing out of it. Writes are
 * not synced: a tree in the making is thrown away after a crash.
 */
export class RootTree {
  /** Paths (without links) of everything written through this object, with the directories that it created. */
  readonly written = new Set<string>();

  constructor(readonly root: string) {}

  /**
   * The path inside the tree without links, whether or not anything is there: parts that are missing are kept.
   * @param followLast Whether a link at the end of the path is followed too.
   * @throws KairosError `SYMLINK_LOOP`
   */
  resolve(path: string, followLast = true): string {
    const at = (place: string): LinkAt => {
      const real = join(this.root, place);
      return this.lstat(real)?.isSymbolicLink()
        ? { kind: 'link', target: readlinkSync(real) }
        : { kind: 'other' };
    };
    return followLinks(path, this.root, at, { keepLast: !followLast });
  }

  /** The path by which this process reaches `path`, links followed. */
  real(path: string): string {
    return join(this.root, this.resolve(path));
  }

  private place(path: string): string {
    return join(this.root, this.resolve(path, false));
  }

  /** Status of what is at `path`, links followed; `undefined` where there is nothing. */
  status(
    path: string,
  ):
    | { readonly kind: 'file' | 'directory' | 'other'; size: number; mode: number; modified: number }
    | undefined {
    const status = this.lstat(this.real(path));
    if (status === undefined) return undefined;
    return {
      kind: status.isFile() ? 'file' : status.isDirectory() ? 'directory' : 'other',
      size: status.size,
      mode: status.mode & 0o7777,
      modified: status.mtimeMs,
    };
  }

  private lstat(place: string) {
    try {
      return lstatSync(place, { throwIfNoEntry: false });
    } catch (error) {
      if (isSystemError(error, 'ENOTDIR')) return undefined;
      throw error;
    }
  }

  isFile(path: string): boolean {
    return this.status(path)?.kind === 'file';
  }

  isDirectory(path: string): boolean {
    return this.status(path)?.kind === 'directory';
  }

  isExecutable(path: string): boolean {
    const status = this.status(path);
    return status?.kind === 'file' && (status.mode & 0o111) !== 0;
  }

  /** The target of the symbolic link at `path`; `undefined` for anything else. */
  linkTarget(path: string): string | undefined {
    const place = this.place(path);
    return this.lstat(place)?.isSymbolicLink() ? readlinkSync(place) : undefined;
  }

  /** True where something is at `path`, also a link that leads nowhere. */
  hasEntry(path: string): boolean {
    return this.lstat(this.place(path)) !== undefined;
  }

  /** Names in a directory, sorted by code unit; empty where there is no such directory. */
  list(path: string): string[] {
    try {
      return readdirSync(this.real(path)).sort();
    } catch (error) {
      if (isSystemError(error, 'ENOENT', 'ENOTDIR')) return [];
      throw error;
    }
  }

  readText(path: string): string | undefined {
    const place = this.real(path);
    return this.lstat(place)?.isFile() ? readFileSync(place, 'utf8') : undefined;
  }

  readBytes(path: string): Uint8Array | undefined {
    const place = this.real(path);
    return this.lstat(place)?.isFile() ? readFileSync(place) : undefined;
  }

  /** Creates a directory and its parents. */
  makeDirectory(path: string, mode = 0o755): void {
    const resolved = this.resolve(path);
    const place = join(this.root, resolved);
    if (this.lstat(place)?.isDirectory()) return;
    if (resolved !== '/') this.makeDirectory(dirname(resolved));
    mkdirSync(place);
    chmodSync(place, mode);
    this.written.add(resolved);
  }

  private prepare(path: string): string {
    this.makeDirectory(dirname(path));
    const resolved = join(this.resolve(dirname(path)), basename(path));
    const place = join(this.root, resolved);
    if (this.lstat(place)?.isDirectory()) {
      throw new KairosError('PATH_IS_DIRECTORY', `Cannot write ${path}: a directory is there`, {
        exit: 'invalidInput',
      });
    }
    rmSync(place, { force: true });
    this.written.add(resolved);
    return place;
  }

  private finish(place: string, { mode = 0o644, uid = 0, gid = 0 }: TreeWriteOptions): void {
    if (process.geteuid?.() === 0) chownSync(place, uid, gid);
    chmodSync(place, mode);
  }

  /** Writes a file in place of what is there; a link there is replaced, not followed. */
  write(path: string, content: string | Uint8Array, options: TreeWriteOptions = {}): void {
    const place = this.prepare(path);
    writeFileSync(place, content, { flag: 'wx' });
    this.finish(place, options);
  }

  /** Changes the content of a file that is there; owner and mode stay. */
  replaceContent(path: string, content: string): void {
    writeFileSync(this.real(path), content, { flag: 'r+' });
    truncateSync(this.real(path), Buffer.byteLength(content));
  }

  /** Copies a file of the machine into the tree. */
  copyIn(source: string, path: string, options: TreeWriteOptions = {}): void {
    const place = this.prepare(path);
    copyFileSync(source, place);
    this.finish(place, options);
  }

  symlink(target: string, path: string): void {
    const place = this.prepare(path);
    symlinkSync(target, place);
    if (process.geteuid?.() === 0) lchownSync(place, 0, 0);
  }

  chmod(path: string, mode: number): void {
    chmodSync(this.real(path), mode);
  }

  /** Removes what is at `path`, a link itself and a directory whole; nothing there is not an error. */
  remove(path: string): void {
    rmSync(this.place(path), { recursive: true, force: true });
    this.written.delete(this.resolve(path, false));
  }

  /** Removes what is in a directory and keeps the directory. */
  empty(path: string): void {
    for (const name of this.list(path)) this.remove(join(path, name));
  }

  /** SHA-256 of a file, hexadecimal, read in pieces. */
  sha256(path: string): string {
    const hash = createHash('sha256');
    const buffer = Buffer.allocUnsafe(1024 * 1024);
    const file = openSync(this.real(path), 'r');
    try {
      for (let count = readSync(file, buffer); count > 0; count = readSync(file, buffer)) {
        hash.update(buffer.subarray(0, count));
      }
    } finally {
      closeSync(file);
    }
    return hash.digest('hex');
  }
}
