import { KairosError } from '@kairos/facts/errors';
import type { Host } from '@kairos/host/host';
import type { RootTree } from '@kairos/host/root-tree';
import type { Flavor } from './flavor.ts';
import { runInRoot } from './run-in-root.ts';

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
  const resolver = host.files.readTextIfAny('/etc/resolv.conf');
  if (resolver !== undefined) tree.write('/etc/resolv.conf', resolver);
  // Debian's way of saying that services shall not start.
  if (request.manager === 'apt')
    tree.write('/usr/sbin/policy-rc.d', '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  for (const command of [...request.prepare, ...installCommands(request.manager, request.packages)]) {
    await runInRoot(host, tree, command as [string, ...string[]], {
      // The distribution's initrd would be made and thrown away.
      env: { DEBIAN_FRONTEND: 'noninteractive', INITRD: 'No' },
      signal: request.signal,
    });
  }
}
