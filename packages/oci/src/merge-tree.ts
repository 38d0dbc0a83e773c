import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  copyFileSync,
  fsyncSync,
  lchownSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  type Stats,
  symlinkSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { isSystemError, KairosError, reasonOf } from '@kairos/facts/errors';
import { readXattrsCall, setXattrCall } from '@kairos/host/system-calls';
import { UnpackRoot } from './unpack-root.ts';

/** Something of a tree that is to be laid over another. */
export interface MergeEntry {
  /** In the tree, relative. */
  readonly path: string;
  /** Where it goes: relative to the target's root, with the symbolic links of the target followed inside of it. */
  readonly place: string;
  readonly kind: 'directory' | 'file' | 'symlink';
  /** Bytes. */
  readonly size: number;
  readonly status: Stats;
}

function conflict(path: string, reason: string): KairosError {
  return new KairosError('MERGE_CONFLICT', `Cannot put ${JSON.stringify(path)} into place: ${reason}`, {
    exit: 'corruptSource',
  });
}

const kinds = (status: Stats) =>
  status.isDirectory()
    ? 'directory'
    : status.isFile()
      ? 'file'
      : status.isSymbolicLink()
        ? 'symlink'
        : undefined;

/**
 * What laying one tree over another would write: new directories, and all files and links. Directories that are there
 * stay as they are, so that no tree from elsewhere changes the mode of `/usr/local`. Nothing is written.
 * @throws KairosError `MERGE_CONFLICT` where a directory would take the place of a file or the other way round, and for
 *   what is no file, directory or link; `TAR_THROUGH_LINK` where a link leads out of the target
 */
export function planMerge(tree: string, target: string): MergeEntry[] {
  const root = new UnpackRoot(target, { links: 'inside', privileged: true });
  const entries: MergeEntry[] = [];
  const made = new Set<string>();
  const walk = (directory: string): void => {
    for (const name of readdirSync(join(tree, directory)).sort()) {
      const path = directory === '' ? name : `${directory}/${name}`;
      const status = lstatSync(join(tree, path));
      const kind = kinds(status);
      if (kind === undefined) throw conflict(path, 'it is a device, a socket or a pipe');
      const place = root.locate(path, path, false) ?? newPlace(path);
      const there = root.status(place);
      if (kind === 'directory') {
        // A link to a directory is followed by what lies below.
        const inside = root.locate(`${path}/x`, path, false);
        if (there !== undefined && !there.isDirectory() && inside === undefined) {
          throw conflict(path, 'it is a directory, and there is something else');
        }
        if (there === undefined && !made.has(place)) {
          made.add(place);
          entries.push({ path, place, kind, size: 0, status });
        }
        walk(path);
        continue;
      }
      if (there?.isDirectory()) throw conflict(path, `it is a ${kind}, and there is a directory`);
      entries.push({ path, place, kind, size: kind === 'file' ? status.size : 0, status });
    }
  };
  /** Where the parent is yet to be made: below the place of the nearest one that is planned. */
  const newPlace = (path: string): string => {
    const slash = path.lastIndexOf('/');
    if (slash < 0) return path;
    const parent = path.slice(0, slash);
    const planned = entries.findLast((entry) => entry.path === parent);
    if (planned === undefined) throw conflict(path, `there is no directory ${JSON.stringify(parent)}`);
    return `${planned.place}${path.slice(slash)}`;
  };
  walk('');
  return entries;
}

let counter = 0;

function copyAttributes(from: string, to: string, { uid, gid, mode }: Stats, symlink: boolean): void {
  lchownSync(to, uid, gid);
  if (!symlink) chmodSync(to, mode & 0o7777);
  for (const [name, value] of readXattrsCall(from)) setXattrCall(to, name, value);
}

/** Carries out a plan. Each file is complete under another name before it takes its own, also over a running program. */
export function carryOutMerge(tree: string, target: string, entries: readonly MergeEntry[]): void {
  const written = new Set<string>();
  for (const { path, place, kind, status } of entries) {
    const from = join(tree, path);
    const to = join(target, place);
    const temporary = join(dirname(to), `.${process.pid}-${counter++}.merge`);
    try {
      if (kind === 'directory') {
        mkdirSync(to, { mode: 0o700 });
        chownSync(to, status.uid, status.gid);
        chmodSync(to, status.mode & 0o7777);
      } else if (kind === 'symlink') {
        symlinkSync(readlinkSync(from), temporary);
        copyAttributes(from, temporary, status, true);
        renameSync(temporary, to);
      } else {
        copyFileSync(from, temporary, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
        copyAttributes(from, temporary, status, false);
        lutimesSync(temporary, status.atimeMs / 1000, status.mtimeMs / 1000);
        sync(temporary);
        renameSync(temporary, to);
      }
      written.add(dirname(to));
    } catch (error) {
      rmSync(temporary, { force: true });
      if (isSystemError(error, 'ENOSPC', 'EDQUOT')) {
        throw new KairosError('NO_SPACE', `No space left while writing ${to}`, {
          exit: 'noSpace',
          cause: error,
        });
      }
      throw new KairosError('MERGE_FAILED', `Cannot write ${to}: ${reasonOf(error)}`, { cause: error });
    }
  }
  for (const directory of written) sync(directory);
}

function sync(path: string): void {
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
