import { KairosError } from '@kairos/facts/errors';
import type { Host } from './host.ts';

/** Debian packages of programs that are called, where a package is not called as its program. */
const packages: Readonly<Record<string, string>> = {
  cp: 'coreutils',
  debugfs: 'e2fsprogs',
  dumpe2fs: 'e2fsprogs',
  e2fsck: 'e2fsprogs',
  mcopy: 'mtools',
  'mkfs.erofs': 'erofs-utils',
  'mkfs.vfat': 'dosfstools',
  mke2fs: 'e2fsprogs',
  mksquashfs: 'squashfs-tools',
  mmd: 'mtools',
  'qemu-img': 'qemu-utils',
  resize2fs: 'e2fsprogs',
  sfdisk: 'fdisk',
  sha256sum: 'coreutils',
  truncate: 'coreutils',
  unshare: 'util-linux',
  veritysetup: 'cryptsetup-bin',
  xz: 'xz-utils',
};

/**
 * Paths of programs, so that what is missing is told before anything is done, all of it at once. An ordinary user's
 * PATH may not name `/usr/sbin`; it is looked at too.
 * @throws KairosError `TOOL_MISSING` (exit `missingTool`), with the line that installs them on Debian
 */
export function requirePrograms(host: Host, programs: readonly string[]): Map<string, string> {
  const found = new Map<string, string>();
  const missing: string[] = [];
  for (const program of programs) {
    const path = host.which(program);
    if (path === undefined) missing.push(program);
    else found.set(program, path);
  }
  if (missing.length === 0) return found;
  const names = [...new Set(missing.map((program) => packages[program] ?? program))].sort();
  throw new KairosError('TOOL_MISSING', `Programs are missing: ${missing.join(', ')}`, {
    exit: 'missingTool',
    hint: `On Debian and Ubuntu: apt-get install ${names.join(' ')}`,
    details: { missing, packages: names },
  });
}
