import { KairosError } from '@kairos/facts/errors';
import type { Host } from '@kairos/host/host';
import type { RootTree } from '@kairos/host/root-tree';
import { runInRoot } from './run-in-root.ts';

export interface DracutRequest {
  readonly kernelVersion: string;
  /** File to write. */
  readonly output: string;
  /** Seconds since 1970 for the times in the archive. */
  readonly epoch: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Modules that stay out. Those of systemd would look for the root that `root=` names, which is a slot's and not a
 * file system's.
 */
const omitted = 'systemd systemd-initrd dracut-systemd plymouth biosdevname memstrack';
const inside = '/tmp/kairos-initrd';

/**
 * Makes an initrd with the root's own dracut, which runs in the root.
 * @throws KairosError `NOT_ROOT`, `TOOL_FAILED`
 */
export async function buildDracutInitrd(host: Host, tree: RootTree, request: DracutRequest): Promise<void> {
  if (host.uid !== 0) {
    throw new KairosError('NOT_ROOT', 'Running dracut in the root needs root', {
      exit: 'notPermitted',
      hint: 'Run the same command with sudo, or take the thin initrd.',
    });
  }
  const { signal } = request;
  await runInRoot(
    host,
    tree,
    [
      ...['dracut', '--force', '--no-hostonly', '--no-hostonly-cmdline', '--reproducible', '--gzip'],
      ...['--kver', request.kernelVersion, '--omit', omitted, '--add', 'kairos', inside],
    ] as [string, ...string[]],
    { env: { SOURCE_DATE_EPOCH: String(request.epoch) }, signal },
  );
  await host.run(['cp', tree.real(inside), request.output], signal === undefined ? {} : { signal });
  for (const directory of ['/dev', '/tmp', '/var/tmp', '/run', '/var/log']) {
    if (tree.isDirectory(directory)) tree.empty(directory);
  }
}
