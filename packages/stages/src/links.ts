import { KairosError } from '@kairos/facts/errors';
import type { HostFiles } from '@kairos/host/host';

/** As many links as the kernel follows in one path. */
const maximumLinks = 40;

/**
 * Where a path leads once every symbolic link in it is followed, with absolute links counted from the root of these
 * files. So a link in another root never leads out of it. What does not exist stays as written; a circle of links
 * gives `undefined`.
 */
export function resolvePath(files: HostFiles, path: string): string | undefined {
  const rest = path.split('/').reverse();
  let links = 0;
  const done: string[] = [];
  for (let part = rest.pop(); part !== undefined; part = rest.pop()) {
    if (part === '' || part === '.') continue;
    if (part === '..') {
      done.pop();
      continue;
    }
    const here = `/${[...done, part].join('/')}`;
    if (files.status(here)?.kind !== 'symlink') {
      done.push(part);
      continue;
    }
    if (++links > maximumLinks) return undefined;
    const target = files.readLink(here);
    if (target.startsWith('/')) done.length = 0;
    rest.push(...target.split('/').reverse());
  }
  return `/${done.join('/')}`;
}

/**
 * The path under which a file is to be replaced: links are followed, so that `/etc/localtime -> ...` stays a link.
 * A link in a directory that anyone may write to is refused, as the kernel's `protected_symlinks` does: whoever put
 * it there would choose what root overwrites.
 *
 * @throws KairosError `LINK_LOOP`, `LINK_UNSAFE`
 */
export function writablePath(files: HostFiles, path: string): string {
  const status = files.status(path);
  if (status?.kind === 'symlink') {
    const parent = resolvePath(files, path.slice(0, path.lastIndexOf('/')) || '/');
    const directory = parent === undefined ? undefined : files.status(parent);
    const sticky = directory !== undefined && (directory.mode & 0o1002) === 0o1002;
    if (sticky && status.uid !== directory.uid && status.uid !== 0) {
      throw new KairosError(
        'LINK_UNSAFE',
        `${path} is a symbolic link of user ${status.uid} in a directory that anyone may write to; it is not followed`,
        { exit: 'notPermitted' },
      );
    }
  }
  const resolved = resolvePath(files, path);
  if (resolved === undefined) {
    throw new KairosError('LINK_LOOP', `${path} leads through more than ${maximumLinks} symbolic links`);
  }
  return resolved;
}
