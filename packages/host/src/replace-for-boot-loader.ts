import { basename, dirname } from 'node:path/posix';
import type { Host, WriteOptions } from './host.ts';

/** EINVAL, ENOSYS, EOPNOTSUPP. */
const unsupported = [22, 38, 95];

/**
 * Replaces a file that a boot loader reads. A boot loader does not replay the journal: it sees what the file system has
 * written to its place so far, in whatever order, and so may find a new name that leads to an inode that is not there
 * yet. Here the new content gets to its place under a name beside first; then the names change places, which is one
 * block of the directory; the old content goes when nothing that a boot loader can see leads to it.
 *
 * A run that is cut off leaves the file beside, which the next one overwrites.
 */
export function replaceForBootLoader(
  host: Host,
  path: string,
  content: string | Uint8Array,
  options: WriteOptions = {},
): void {
  const { files } = host;
  const folder = dirname(path);
  const next = `${folder}/.${basename(path)}.next`;
  files.write(next, content, options);
  host.checkpoint(folder);
  if (files.exists(path)) {
    try {
      files.exchange(next, path);
    } catch (error) {
      // A file system that cannot exchange names has no journal that would have to be waited for.
      if (!unsupported.includes((error as { errno?: number }).errno ?? 0)) throw error;
      files.rename(next, path);
    }
  } else files.rename(next, path);
  host.checkpoint(folder);
  files.remove(next);
}
