import type { PartitionFilesystem } from '@kairos/artifacts/disk-layout';

export interface FilesystemRequest {
  readonly device: string;
  readonly filesystem: PartitionFilesystem;
  readonly label: string;
  readonly forBootLoader: boolean;
}

/** The program that makes a file system, with its arguments; `undefined` for none. */
export function filesystemCommand(request: FilesystemRequest): readonly [string, ...string[]] | undefined {
  const { device, filesystem, label, forBootLoader } = request;
  const named = (option: string) => (label === '' ? [] : [option, label]);
  switch (filesystem) {
    case 'none':
      return undefined;
    case 'vfat':
      return ['mkfs.vfat', ...named('-n'), device];
    case 'xfs':
    case 'btrfs':
      return [`mkfs.${filesystem}`, '-f', '-q', ...named('-L'), device];
    case 'swap':
      return ['mkswap', '-f', ...named('-L'), device];
    case 'ext2':
    case 'ext3':
      return [`mkfs.${filesystem}`, '-F', '-q', ...named('-L'), device];
    case 'ext4':
      return [
        'mkfs.ext4',
        ...['-F', '-q'],
        // GRUB before 2.12 cannot read a seeded checksum. Slots fill the partition, so nothing is set aside for root.
        ...(forBootLoader ? ['-O', '^metadata_csum_seed', '-m', '0'] : []),
        ...named('-L'),
        device,
      ];
  }
}
