import { KairosError } from '@kairos/facts/errors';
import { formatSize, MiB } from '@kairos/facts/size';
import type { Host } from '@kairos/host/host';
import { type BlockDevice, diskOf } from './block-devices.ts';

/** /sys counts in these, whatever the disk's own sectors are. */
const sector = 512;
/** Less than this is alignment and the backup partition table, not space to gain. */
const worthwhile = 32 * MiB;

export interface Growth {
  readonly disk: string;
  /** Partition number. */
  readonly number: number;
  /** Bytes free behind the partition. */
  readonly free: number;
}

/** Space behind a partition, up to the next one or the end of the disk; `undefined` for what is not a partition. */
export function growthOf(host: Host, name: string): Growth | undefined {
  const number = (path: string) => Number(host.files.readTextIfAny(path)?.trim() || Number.NaN);
  const block = '/sys/class/block';
  const index = number(`${block}/${name}/partition`);
  const disk = diskOf(host, name);
  if (disk === undefined || disk === name || !Number.isInteger(index)) return undefined;
  const start = number(`${block}/${name}/start`);
  const end = start + number(`${block}/${name}/size`);
  let limit = number(`${block}/${disk}/size`);
  for (const other of host.files.list(block)) {
    if (other === name || !host.files.exists(`${block}/${other}/partition`) || diskOf(host, other) !== disk)
      continue;
    const otherStart = number(`${block}/${other}/start`);
    if (otherStart >= end) limit = Math.min(limit, otherStart);
  }
  if (![start, end, limit].every(Number.isFinite)) return undefined;
  return { disk, number: index, free: Math.max(0, limit - end) * sector };
}

function resizeCommand(device: BlockDevice, target: string): readonly [string, ...string[]] | undefined {
  switch (device.type) {
    case 'ext2':
    case 'ext3':
    case 'ext4':
      return ['resize2fs', device.path];
    case 'xfs':
      return ['xfs_growfs', target];
    case 'btrfs':
      return ['btrfs', 'filesystem', 'resize', 'max', target];
    default:
      return undefined;
  }
}

/**
 * Lets a mounted partition and its file system take the space behind it. A mark on the file system says that the
 * partition has been grown and the file system perhaps not, so that a power cut between the two is made up for on the
 * next boot.
 *
 * @returns what was done, or `undefined` where there was nothing to gain
 * @throws KairosError `CANNOT_GROW` and those of the programs
 */
export async function growVolume(
  host: Host,
  device: BlockDevice,
  target: string,
): Promise<string | undefined> {
  const mark = `${target}/.kairos-growing`;
  const growth = growthOf(host, device.path.slice('/dev/'.length));
  const interrupted = host.files.exists(mark);
  const gain = growth !== undefined && growth.free >= worthwhile;
  if (!gain && !interrupted) return undefined;
  const resize = resizeCommand(device, target);
  if (resize === undefined) {
    throw new KairosError(
      'CANNOT_GROW',
      `Cannot grow ${device.path}: no known way to resize ${device.type || 'its file system'}`,
      {
        hint: 'Format the persistent partition with ext4, xfs or btrfs',
      },
    );
  }
  if (gain) {
    host.files.write(mark, '');
    const disk = `/dev/${growth.disk}`;
    // The disk is in use, so the kernel would refuse to read the table anew; it is told about this one partition.
    await host.run(
      ['sfdisk', '--no-reread', '--no-tell-kernel', '--quiet', '-N', String(growth.number), disk],
      { input: ', +\n' },
    );
    await host.run(['partx', '--update', '--nr', String(growth.number), disk]);
  }
  await host.run(resize);
  host.files.remove(mark);
  return gain ? `grew ${device.path} by ${formatSize(growth.free)}` : `finished growing ${device.path}`;
}
