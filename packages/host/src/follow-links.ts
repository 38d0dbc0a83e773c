import { dirname, join } from 'node:path/posix';
import { KairosError } from '@kairos/facts/errors';

/** As many symbolic links as the kernel follows. */
const maximumLinks = 40;

/** What stands at a path inside a root: nothing, a symbolic link with its target, or something else. */
export type LinkAt =
  | { readonly kind: 'nothing' | 'other' }
  | { readonly kind: 'link'; readonly target: string };

/**
 * Follows symbolic links of a path as a process inside a root would, so that an absolute link of a distribution's root,
 * or a hostile one, does not lead out of it.
 * @param root named in the error
 * @param at asked for each part of the way; paths are absolute inside the root
 * @param options `keepLast`: a link at the end of the path is not followed; `stopAtNothing`: `undefined` where a part
 *   is missing, else parts that are missing are kept
 * @returns the path without links, absolute inside the root
 * @throws KairosError `SYMLINK_LOOP`
 */
export function followLinks(
  path: string,
  root: string,
  at: (place: string) => LinkAt,
  options?: { readonly keepLast?: boolean },
): string;
export function followLinks(
  path: string,
  root: string,
  at: (place: string) => LinkAt,
  options: { readonly stopAtNothing: true },
): string | undefined;
export function followLinks(
  path: string,
  root: string,
  at: (place: string) => LinkAt,
  options: { readonly keepLast?: boolean; readonly stopAtNothing?: boolean } = {},
): string | undefined {
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
    const found = at(next);
    if (found.kind === 'nothing' && options.stopAtNothing) return undefined;
    if (found.kind !== 'link' || (options.keepLast && pending.length === 0)) {
      current = next;
      continue;
    }
    if (++links > maximumLinks) {
      throw new KairosError('SYMLINK_LOOP', `Too many symbolic links on the way to ${path} in ${root}`, {
        exit: 'corruptSource',
      });
    }
    if (found.target.startsWith('/')) current = '/';
    pending = [...found.target.split('/').filter((each) => each !== '' && each !== '.'), ...pending];
  }
  return current;
}
