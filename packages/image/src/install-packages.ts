import { KairosError } from '@kairos/facts/errors';
import type { Host } from '@kairos/host/host';
import type { RootTree } from '@kairos/host/root-tree';
import type { Flavor } from './flavor.ts';

export interface InstallRequest {
  readonly manager: Flavor['packageManager'];
  readonly packages: readonly string[];
  /** Commands before, each as an argument array. */
  readonly prepare: readonly (readonly string[])[];
  readonly signal?: AbortSignal;
}

type Command = readonly [string, ...string[]];

/** The commands by which a package manager installs packages without what they merely recommend. */
export function installCommands(manager: Flavor['packageManager'], packages: readonly string[]): Command[] {
  switch (manager) {
    case 'apt':
      return [
        ['apt-get', 'update'],
        [
          'apt-get',
          'install',
          '--yes',
          '--no-install-recommends',
          '-o',
          'Dpkg::Options::=--force-confold',
          ...packages,
        ],
      ];
    case 'dnf':
      return [
        [
          'dnf',
          'install',
          '--assumeyes',
          '--setopt=install_weak_deps=False',
          '--setopt=tsflags=nodocs',
          ...packages,
        ],
      ];
    case 'zypper':
      return [
        [
          'zypper',
          '--non-interactive',
          'install',
          '--no-recommends',
          '--auto-agree-with-licenses',
          ...packages,
        ],
      ];
    case 'apk':
      return [['apk', 'add', '--no-cache', ...packages]];
    case 'pacman':
      return [['pacman', '-Sy', '--noconfirm', '--needed', ...packages]];
  }
}

/** The machine's nodes that package scripts expect in `/dev`, with major and minor number. */
const devices = [
  ['null', 1, 3],
  ['zero', 1, 5],
  ['full', 1, 7],
  ['random', 1, 8],
  ['urandom', 1, 9],
  ['tty', 5, 0],
] as const;

/**
 * Installs packages with the root's own package manager, in name spaces of its own: what it mounts and what it starts
 * ends with it.
 * @throws KairosError `NOT_ROOT`, `TOOL_FAILED`
 */
export async function installPackages(host: Host, tree: RootTree, request: InstallRequest): Promise<void> {
  if (host.uid !== 0) {
    throw new KairosError(
      'NOT_ROOT',
      `The root lacks ${request.packages.join(', ')}, and installing packages needs root`,
      {
        exit: 'notPermitted',
        hint: 'Run the same command with sudo, or bring a root that has the packages.',
      },
    );
  }
  tree.makeDirectory('/dev');
  for (const [name, major, minor] of devices) {
    if (!tree.hasEntry(`/dev/${name}`)) {
      await host.run(['mknod', '--mode=0666', tree.real(`/dev/${name}`), 'c', String(major), String(minor)]);
    }
  }
  tree.makeDirectory('/proc');
  const resolver = host.files.readTextIfAny('/etc/resolv.conf');
  if (resolver !== undefined) tree.write('/etc/resolv.conf', resolver);
  // Debian's way of saying that services shall not start.
  if (request.manager === 'apt')
    tree.write('/usr/sbin/policy-rc.d', '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  for (const command of [...request.prepare, ...installCommands(request.manager, request.packages)]) {
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
        env: {
          DEBIAN_FRONTEND: 'noninteractive',
          LC_ALL: 'C.UTF-8',
          INITRD: 'No',
          PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
        },
        ...(request.signal === undefined ? {} : { signal: request.signal }),
      },
    );
  }
}
