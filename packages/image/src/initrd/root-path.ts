import { dirname, join } from 'node:path/posix';
import { KairosError } from '@kairos/facts/errors';
import type { HostFiles } from '@kairos/host/host';

/** As many symbolic links as the kernel follows. */
const maximumLinks = 40;

/**
 * Follows symbolic links of a path as a process inside `root` would, so that an absolute link of a distribution's
 * root, or a hostile one, does not lead out of it.
 * @returns the path without links, absolute inside the root, or `undefined` where nothing is there
 * @throws KairosError `SYMLINK_LOOP`
 */
export function resolveInRoot(files: HostFiles, root: string, path: string): string | undefined {
  let links = 0;
  let pending = path.split('/').filter((part) => part !== '' && part !== '.');
  let current = '/';
  while (pending.length > 0) {
    const [part, ...rest] = pending as [string, ...string[]];
    pending = rest;
    if (part === '..') {
      current = dirname(current);
      continue;
    }
    const next = join(current, part);
    const status = files.status(join(root, next));
    if (status === undefined) return undefined;
    if (status.kind !== 'symlink') {
      current = next;
      continue;
    }
    if (++links > maximumLinks) {
      throw new KairosError('SYMLINK_LOOP', `Too many symbolic links on the way to ${path} in ${root}`, {
        exit: 'corruptSource',
      });
    }
    const target = files.readLink(join(root, next));
    if (target.startsWith('/')) current = '/';
    pending = [...target.split('/').filter((each) => each !== '' && each !== '.'), ...pending];
  }
  return current;
}
