import { join } from 'node:path/posix';
import { followLinks } from '@kairos/host/follow-links';
import type { HostFiles } from '@kairos/host/host';

/**
 * Follows symbolic links of a path as a process inside `root` would, so that an absolute link of a distribution's
 * root, or a hostile one, does not lead out of it.
 * @returns the path without links, absolute inside the root, or `undefined` where nothing is there
 * @throws KairosError `SYMLINK_LOOP`
 */
export function resolveInRoot(files: HostFiles, root: string, path: string): string | undefined {
  return followLinks(
    path,
    root,
    (place) => {
      const kind = files.status(join(root, place))?.kind;
      if (kind === undefined) return { kind: 'nothing' };
      return kind === 'symlink'
        ? { kind: 'link', target: files.readLink(join(root, place)) }
        : { kind: 'other' };
    },
    { stopAtNothing: true },
  );
}
