import type { Architecture } from '@kairos/facts/architecture';
import type { RootTree } from '@kairos/host/root-tree';
import { grubOffer } from './bootloader.ts';
import type { Init, Role } from './flavor.ts';
import { findKernels } from './kernel.ts';
import { type OsRelease, parseRelease } from './release.ts';

/** The init system of a root, by what `/sbin/init` is. */
export function detectInit(tree: RootTree): Init | undefined {
  const init = ['/sbin/init', '/usr/sbin/init', '/bin/init', '/init'].find((path) => tree.isExecutable(path));
  const resolved = init === undefined ? '' : tree.resolve(init);
  if (resolved.endsWith('/systemd')) return 'systemd';
  if (init === undefined) return tree.isExecutable('/usr/lib/systemd/systemd') ? 'systemd' : undefined;
  if (['/sbin/openrc-run', '/usr/sbin/openrc-run', '/usr/bin/openrc-run'].some((path) => tree.isFile(path))) {
    return 'openrc';
  }
  if (tree.isFile('/etc/inittab') || tree.isFile('/usr/share/sysvinit/inittab')) return 'sysvinit';
  return undefined;
}

/** What `/etc/os-release` says; empty where there is none. */
export function osReleaseOf(tree: RootTree): OsRelease {
  return parseRelease(tree.readText('/etc/os-release') ?? tree.readText('/usr/lib/os-release') ?? '');
}

/** Machine numbers of ELF (`e_machine`) of the architectures. */
export const elfMachines: Readonly<Record<number, Architecture>> = {
  62: 'amd64',
  183: 'arm64',
  243: 'riscv64',
};

/** The architecture of a root, by a program that every root has. */
export function detectArchitecture(tree: RootTree): Architecture | undefined {
  for (const path of ['/bin/sh', '/usr/bin/env', '/sbin/init', '/bin/busybox', '/usr/bin/busybox']) {
    const bytes = tree.readBytes(path);
    if (bytes === undefined || bytes.length < 20 || bytes[0] !== 0x7f || bytes[1] !== 0x45) continue;
    return elfMachines[(bytes[18] ?? 0) + 256 * (bytes[19] ?? 0)];
  }
  return undefined;
}

/** Names of installed packages, where the database can be read without running anything of the root. */
export function installedPackages(tree: RootTree): ReadonlySet<string> {
  const names = new Set<string>();
  const dpkg = tree.readText('/var/lib/dpkg/status') ?? '';
  for (const paragraph of dpkg.split('\n\n')) {
    const name = /^Package: (\S+)$/m.exec(paragraph)?.[1];
    if (name !== undefined && /^Status: \S+ \S+ installed$/m.test(paragraph)) names.add(name);
  }
  const apk = tree.readText('/lib/apk/db/installed') ?? tree.readText('/usr/lib/apk/db/installed') ?? '';
  for (const match of apk.matchAll(/^P:(\S+)$/gm)) names.add(match[1] as string);
  for (const entry of tree.list('/var/lib/pacman/local')) {
    const name = /^(.+)-[^-]+-[^-]+$/.exec(entry)?.[1];
    if (name !== undefined) names.add(name);
  }
  return names;
}

/**
 * Roles that a root which somebody brings fills already. What it takes for convenience (shells, ssh, tools for disks)
 * is as they brought it; what an image cannot do without is judged by what is there, not by names of packages.
 */
export function filledRoles(tree: RootTree, architecture: Architecture): ReadonlySet<Role> {
  const filled = new Set<Role>(['base', 'storage', 'network', 'ssh']);
  if (findKernels(tree).length > 0) filled.add('kernel');
  const init = detectInit(tree);
  if (init !== undefined) filled.add(init);
  const grub = grubOffer(tree, architecture);
  if (grub.bios !== undefined || grub.efi !== undefined || grub.signed !== undefined) {
    for (const role of ['grub-bios', 'grub-efi', 'grub-signed', 'grub-tools'] as const) filled.add(role);
  }
  const has = (name: string) =>
    ['/usr/sbin', '/usr/bin', '/sbin', '/bin'].some((directory) => tree.isFile(`${directory}/${name}`));
  if (has('dmsetup') && has('blkid')) filled.add('initrd-thin');
  if (has('dracut')) filled.add('initrd-dracut');
  if (has('nohang')) filled.add('nohang');
  return filled;
}
