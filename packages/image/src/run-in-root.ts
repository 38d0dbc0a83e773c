import type { Host } from '@kairos/host/host';
import type { RootTree } from '@kairos/host/root-tree';

/** The nodes that programs expect in `/dev`, with major and minor number. */
const devices = [
  ['null', 1, 3],
  ['zero', 1, 5],
  ['full', 1, 7],
  ['random', 1, 8],
  ['urandom', 1, 9],
  ['tty', 5, 0],
] as const;

const links = [
  ['fd', '/proc/self/fd'],
  ['stdin', '/proc/self/fd/0'],
  ['stdout', '/proc/self/fd/1'],
  ['stderr', '/proc/self/fd/2'],
] as const;

/**
 * Runs a program of a root in it, as root, in name spaces of its own: what it mounts and what it starts ends with it.
 * The nodes made in `/dev` stay until the root is cleaned.
 * @throws KairosError `TOOL_FAILED`
 */
export async function runInRoot(
  host: Host,
  tree: RootTree,
  command: readonly [string, ...string[]],
  options: {
    readonly env?: Readonly<Record<string, string>>;
    readonly signal?: AbortSignal | undefined;
  } = {},
): Promise<void> {
  tree.makeDirectory('/dev');
  for (const [name, major, minor] of devices) {
    if (!tree.hasEntry(`/dev/${name}`)) {
      await host.run(['mknod', '--mode=0666', tree.real(`/dev/${name}`), 'c', String(major), String(minor)]);
    }
  }
  for (const [name, target] of links) {
    if (!tree.hasEntry(`/dev/${name}`)) tree.symlink(target, `/dev/${name}`);
  }
  tree.makeDirectory('/proc');
  await host.run(
    [
      'unshare',
      '--mount',
      '--pid',
      '--fork',
      '--kill-child',
      `--root=${tree.root}`,
      '--mount-proc=/proc',
      ...command,
    ],
    {
      env: { LC_ALL: 'C.UTF-8', PATH: '/usr/sbin:/usr/bin:/sbin:/bin', ...options.env },
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    },
  );
}
