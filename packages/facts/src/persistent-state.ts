import { createHash } from 'node:crypto';

/**
 * Where the state that survives a change of images is kept, below `PERSISTENT_STATE_TARGET`. The directories of the
 * persistent paths are beside it, as tools of the field expect them; docs/state.md describes all of it.
 */
export const statePlaces = {
  /** Which image the state was merged for last, and a merge that is under way. */
  record: '.kairos/state.json',
  /** What that image shipped, a file for each path. */
  shipped: '.kairos/seed',
  /** Copies in the making; void unless `record` names them. */
  merge: '.kairos/merge',
  /** The configuration as each earlier image left it. */
  snapshots: '.kairos/snapshots',
  /** The configuration as it was when the running image proved good. */
  proven: '.kairos/proven.json',
} as const;

/** The name that a persistent path has as one file name. */
export function dashedPath(path: string): string {
  return path.slice(1).replaceAll('/', '-');
}

/** The directory of a persistent path. */
export function persistentDirectory(stateTarget: string, path: string): string {
  return `${stateTarget}/${dashedPath(path)}.bind`;
}

/** Whether a persistent path holds configuration, which goes with the image: what is in `/etc`. */
export function isConfigurationPath(path: string): boolean {
  return path === '/etc' || path.startsWith('/etc/');
}

/** A name for an image in file names. */
export function imageKey(image: string): string {
  return createHash('sha256').update(image).digest('hex').slice(0, 16);
}

/** Bytes of a configuration path above which it is merged like any other: no image gets its own back. */
export const largestConfiguration = 32 * 1024 * 1024;
