import { afterEach } from 'bun:test';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { RootTree } from '@kairos/host/root-tree';

/** For tests: what a path of a small root holds. A string is a file, `-> x` a link, `!` before it an executable. */
export type Entries = Readonly<Record<string, string>>;

/** The first bytes of a program for amd64. */
export const elfStart = `\x7fELF${'\0'.repeat(14)}\x3e\0`;

/** A root in a directory of its own. Whoever makes it removes it. */
export function fixtureRoot(entries: Entries): { tree: RootTree; remove: () => void } {
  const root = mkdtempSync(join(tmpdir(), 'fixture-root-'));
  for (const [path, content] of Object.entries(entries)) {
    const place = join(root, path);
    mkdirSync(dirname(place), { recursive: true });
    if (path.endsWith('/')) mkdirSync(place, { recursive: true });
    else if (content.startsWith('-> ')) symlinkSync(content.slice(3), place);
    else {
      writeFileSync(place, Buffer.from(content.replace(/^!/, ''), 'latin1'));
      if (content.startsWith('!')) chmodSync(place, 0o755);
    }
  }
  return { tree: new RootTree(root), remove: () => rmSync(root, { recursive: true, force: true }) };
}

/** Gives roots that go after each test of the file. */
export function fixtureRoots(): (entries: Entries) => RootTree {
  const cleanups: (() => void)[] = [];
  afterEach(() => {
    for (const remove of cleanups.splice(0)) remove();
  });
  return (entries) => {
    const { tree, remove } = fixtureRoot(entries);
    cleanups.push(remove);
    return tree;
  };
}

const options = ['EROFS_FS=m', 'SQUASHFS=m', 'OVERLAY_FS=m', 'DM_VERITY=m', 'DM_CRYPT=m', 'EFI_STUB=y'];
const modules = ['erofs', 'squashfs', 'overlay', 'dm-verity', 'dm-crypt', 'loop', 'ext4', 'vfat'];

/** As much of a Debian root as checks and plans look at. */
export const debianRoot: Entries = {
  'etc/os-release': 'ID=debian\nVERSION_ID="13"\nPRETTY_NAME="Debian GNU/Linux 13 (trixie)"\n',
  'etc/machine-id': '',
  'usr/bin/sh': `!${elfStart}`,
  bin: '-> usr/bin',
  lib: '-> usr/lib',
  sbin: '-> usr/sbin',
  'usr/sbin/init': '-> ../lib/systemd/systemd',
  'usr/lib/systemd/systemd': '!',
  'boot/vmlinuz-6.12.1': 'MZ',
  'boot/config-6.12.1': options.map((option) => `CONFIG_${option}\n`).join(''),
  'usr/lib/modules/6.12.1/modules.dep': modules.map((name) => `kernel/x/${name}.ko.xz:\n`).join(''),
  'usr/lib/modules/6.12.1/modules.builtin': '',
  'usr/lib/grub/i386-pc/boot.img': 'x',
  'usr/lib/grub/x86_64-efi/normal.mod': 'x',
  'usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed': 'MZ\0/EFI/debian\0',
  'usr/lib/shim/shimx64.efi.signed': 'MZ',
  'usr/sbin/dmsetup': '!',
  'usr/sbin/blkid': '!',
  'var/lib/dpkg/status':
    'Package: bash\nStatus: install ok installed\nVersion: 5\n\nPackage: gone\nStatus: deinstall ok config-files\n',
};
