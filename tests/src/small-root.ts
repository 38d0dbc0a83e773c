import {
  chmodSync,
  copyFileSync,
  cpSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { requiredApplets } from '@kairos/image/initrd/busybox';
import { syntheticElf } from '@kairos/image/initrd/synthetic-elf';

export const smallKernel = '6.1.0-small';

const moduleNames = [
  ...['loop', 'dm-mod', 'dm-verity', 'dm-crypt', 'erofs', 'squashfs', 'ext4', 'overlay', 'vfat'],
  ...['virtio_blk', 'virtio_pci', 'nvme', 'ahci', 'sd_mod', 'usb-storage', 'mmc_block', 'isofs', 'sr_mod'],
];

/** When everything in the root was last changed: 1 November 2023. */
export const smallEpoch = 1698796800;

/**
 * A root that a build takes for a Debian system: what is looked at is there, what would have to run is not. It takes
 * a few hundred kilobytes beside GRUB's modules, which are the machine's.
 */
export function writeSmallRoot(root: string): void {
  const modules = `usr/lib/modules/${smallKernel}`;
  const files: Record<string, string | Uint8Array> = {
    'etc/os-release': 'ID=debian\nVERSION_ID="13"\nPRETTY_NAME="Small"\n',
    'etc/passwd': 'root:x:0:0:root:/root:/bin/sh\n',
    'usr/lib/systemd/systemd': syntheticElf(),
    'usr/bin/sh': syntheticElf(),
    'usr/sbin/dmsetup': syntheticElf(),
    'usr/sbin/blkid': syntheticElf(),
    'usr/bin/busybox': syntheticElf({ tail: `\0${requiredApplets.join('\0')}\0` }),
    'usr/lib/systemd/system/systemd-networkd.service': '[Install]\nWantedBy=multi-user.target\n',
    'usr/share/data': Uint8Array.from({ length: 300_000 }, (_, index) => (index * index) % 251),
    [`boot/vmlinuz-${smallKernel}`]: `MZ${'kernel'.repeat(1000)}`,
    [`boot/config-${smallKernel}`]: [
      'EROFS_FS=m',
      'SQUASHFS=m',
      'EXT4_FS=m',
      'EFI_STUB=y',
      'RD_GZIP=y',
      'RD_XZ=y',
      'RD_ZSTD=y',
    ]
      .map((option) => `CONFIG_${option}\n`)
      .join(''),
    [`${modules}/modules.dep`]: moduleNames.map((name) => `kernel/${name}.ko:\n`).join(''),
    [`${modules}/modules.builtin`]: '',
    [`${modules}/modules.alias`]: '',
    [`${modules}/modules.softdep`]: '',
    'var/log/build.log': 'of the builder',
    'etc/machine-id': '0123456789abcdef0123456789abcdef\n',
    'etc/ssh/ssh_host_ed25519_key': 'secret',
  };
  for (const name of moduleNames) files[`${modules}/kernel/${name}.ko`] = syntheticElf({ moduleInfo: [] });
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
    if (/^usr\/(s?bin|lib\/systemd\/systemd$)/.test(path)) chmodSync(join(root, path), 0o755);
  }
  for (const [path, target] of [
    ['bin', 'usr/bin'],
    ['sbin', 'usr/sbin'],
    ['lib', 'usr/lib'],
    ['usr/sbin/init', '../lib/systemd/systemd'],
  ] as const) {
    symlinkSync(target, join(root, path));
  }
  for (const target of ['i386-pc', 'x86_64-efi']) {
    const directory = join(root, 'usr/lib/grub', target);
    mkdirSync(directory, { recursive: true });
    for (const name of readdirSync(`/usr/lib/grub/${target}`)) {
      if (/\.(mod|lst|img)$/.test(name))
        copyFileSync(`/usr/lib/grub/${target}/${name}`, join(directory, name));
    }
  }
  setTimes(root);
}

/** Gives everything in a tree the same time, as an unpacked archive would have it. */
function setTimes(path: string): void {
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    const place = join(path, entry.name);
    if (entry.isDirectory()) setTimes(place);
    else lutimesSync(place, smallEpoch, smallEpoch);
  }
  lutimesSync(path, smallEpoch, smallEpoch);
}

/** A copy with the same owners and times. */
export function copyRoot(from: string, to: string): void {
  cpSync(from, to, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true });
  setTimes(to);
}
