import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Host } from '@kairos/host/host';
import { isAlive } from '@kairos/host/is-alive';

export interface WorkDirectory {
  readonly path: string;
  remove(): void;
}

const prefix = 'image-';

/** Removes a directory, and nothing that is mounted in it: that may be the machine's own. */
function removeTree(host: Host, path: string): void {
  const mounted = host.mounts().filter(({ target }) => target.startsWith(`${path}/`));
  for (const { target } of mounted.reverse()) host.unmount(target, { lazy: true });
  host.files.remove(path);
}

/**
 * A directory of its own for one build, below the one that the user named. Those of builds that did not live to their
 * end are removed first.
 */
export function openWork(host: Host, parent: string): WorkDirectory {
  host.files.makeDirectory(parent);
  for (const name of host.files.list(parent)) {
    const pid = /^image-(\d+)-[0-9a-f]{8}$/.exec(name)?.[1];
    if (pid !== undefined && !isAlive(Number(pid))) removeTree(host, join(parent, name));
  }
  const path = join(parent, `${prefix}${process.pid}-${randomBytes(4).toString('hex')}`);
  host.files.makeDirectory(path);
  return { path, remove: () => removeTree(host, path) };
}
