import { closeSync, openSync } from 'node:fs';
import { dirname } from 'node:path/posix';
import type { HostFiles } from './host.ts';

/**
 * Replaces a file on a FAT file system, which keeps no journal. The old file is held open while the new one takes its
 * name and gets it on the disk: its clusters are given back only when nothing there names them any more. Linux writes
 * the entry that a rename takes over with the file's own metadata, not with the directory, so the file is synced under
 * its new name. The entry lies within one sector: a power cut leaves the old file or the new one under the name.
 */
export function replaceOnFat(files: HostFiles, path: string, content: Uint8Array): void {
  const old = files.exists(path) ? openSync(files.real(path), 'r') : undefined;
  try {
    files.write(path, content);
    files.sync(path);
    files.sync(dirname(path));
  } finally {
    if (old !== undefined) closeSync(old);
  }
}

const temporaryName = /^\.\d+-\d+\.tmp$/;

/**
 * Removes what interrupted replacements left in a directory. A power cut in the middle of a rename can leave two
 * names for one chain of clusters, and removing one of them would take the other's content: a leftover that equals a
 * file beside it stays.
 */
export function removeFatLeftovers(files: HostFiles, directory: string): void {
  const names = files.list(directory);
  const leftovers = names.filter((name) => temporaryName.test(name));
  if (leftovers.length === 0) return;
  const live = new Set(
    names
      .filter((name) => !temporaryName.test(name) && files.status(`${directory}/${name}`)?.kind === 'file')
      .map((name) => files.sha256(`${directory}/${name}`)),
  );
  for (const name of leftovers) {
    const path = `${directory}/${name}`;
    if (!live.has(files.sha256(path))) files.remove(path);
  }
}
