import { type BuildStep, stepOf } from './build-step.ts';
import type { FilesystemType } from './filesystem.ts';

const filesystemPrograms: Readonly<Record<FilesystemType, readonly string[]>> = {
  erofs: ['mkfs.erofs'],
  squashfs: ['mksquashfs'],
  ext4: ['mke2fs', 'dumpe2fs', 'debugfs', 'e2fsck', 'resize2fs'],
};

/** Programs of this machine that the steps of a build call. Those of the root itself are not among them. */
export function programsOf(plan: { readonly steps: readonly BuildStep[] }): string[] {
  const filesystem = stepOf(plan, 'root-image')?.type ?? 'erofs';
  return [
    ...(stepOf(plan, 'bootstrap') === undefined ? [] : ['mmdebstrap', 'unshare']),
    ...(stepOf(plan, 'copy') === undefined ? [] : ['cp']),
    ...filesystemPrograms[filesystem],
    ...['veritysetup', 'tar', 'zstd', 'xz', 'sha256sum', 'truncate'],
  ];
}
