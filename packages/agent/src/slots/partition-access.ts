import { KairosError } from '@kairos/facts/errors';
import { labels } from '@kairos/facts/labels';
import { paths } from '@kairos/facts/paths';
import type { Disk, Partition } from '@kairos/host/disks';
import type { Host } from '@kairos/host/host';
import type { Cleanup } from '../cleanup.ts';
import { workMounts } from './work-mounts.ts';

export type PartitionKey = keyof typeof workMounts;

const labelOf = (key: PartitionKey) => labels[key === 'efi' ? 'esp' : key];

/** Where a booted system has a partition. */
const homes: Readonly<Record<PartitionKey, readonly string[]>> = {
  state: [paths.cosState],
  recovery: [paths.cosState],
  oem: [paths.oem],
  persistent: [paths.persistent],
  efi: ['/efi', '/boot/efi'],
};

/** A partition with a place where its files can be read. */
export interface OpenPartition {
  readonly device: string;
  readonly mountPoint: string;
  readonly writable: boolean;
}

/**
 * The disk that this system lives on: where the booted slot is, else the only one that has `COS_STATE`.
 * @throws KairosError `NOT_INSTALLED`, `DISK_AMBIGUOUS`
 */
export async function systemDisk(host: Host): Promise<Disk> {
  const has = (disk: Disk, label: string) => disk.partitions.some((partition) => partition.label === label);
  const disks = (await host.disks()).filter((disk) => has(disk, labels.state));
  const booted = disks.find(({ partitions }) =>
    partitions.some(({ mountPoints }) => mountPoints.includes(paths.cosState)),
  );
  const [first, ...others] = disks;
  if (booted) return booted;
  if (!first) {
    throw new KairosError('NOT_INSTALLED', `No disk has a partition labelled ${labels.state}`, {
      exit: 'wrongState',
      hint: 'Install the system first: kairos-agent install',
    });
  }
  if (others.length > 0) {
    throw new KairosError(
      'DISK_AMBIGUOUS',
      `Several disks have a partition labelled ${labels.state}: ${disks.map(({ path }) => path).join(', ')}`,
      { exit: 'unsuitableDisk', hint: 'Detach all but the one of this system' },
    );
  }
  return first;
}

export function partitionOf(disk: Disk, key: PartitionKey): Partition | undefined {
  return disk.partitions.find(({ label }) => label === labelOf(key));
}

/** Whether the disk has a partition that is mounted nowhere. */
export function isClosed(disk: Disk, key: PartitionKey): boolean {
  return partitionOf(disk, key)?.mountPoints.length === 0;
}

/**
 * A partition where it is mounted, or mounted read-only at a place of ours until `cleanup` runs; `undefined` where the
 * disk has none. Whoever may have to mount it holds the lock of the agent: the place is the same for all, and the first
 * one that ends would take it away from the others.
 */
export function openPartition(
  host: Host,
  disk: Disk,
  key: PartitionKey,
  cleanup: Cleanup,
): OpenPartition | undefined {
  const partition = partitionOf(disk, key);
  if (!partition) return undefined;
  const device = partition.path;
  const mounts = host.mounts();
  for (const target of [...homes[key], workMounts[key]]) {
    const mount = mounts.findLast((one) => one.target === target);
    if (mount && partition.mountPoints.includes(target)) {
      return { device, mountPoint: target, writable: !mount.options.includes('ro') };
    }
  }
  const mountPoint = workMounts[key];
  host.files.makeDirectory(mountPoint);
  // The journal of ext4 is replayed at a read-only mount too.
  host.mount({ source: device, target: mountPoint, type: partition.filesystem, options: ['ro'] });
  cleanup.push(mountPoint, () => host.unmount(mountPoint));
  return { device, mountPoint, writable: false };
}

/** Flags of a mount that a remount would lose if they were not given again. */
const keptFlags = ['nosuid', 'nodev', 'noexec', 'noatime', 'nodiratime', 'relatime'];

/** Makes a mounted partition writable until `cleanup` runs. */
export function makeWritable(host: Host, mountPoint: string, cleanup: Cleanup): void {
  const mount = host.mounts().findLast(({ target }) => target === mountPoint);
  if (mount && !mount.options.includes('ro')) return;
  const flags = (mount?.options ?? []).filter((option) => keptFlags.includes(option));
  const remount = (mode: 'ro' | 'rw') =>
    host.mount({
      source: mount?.source ?? 'none',
      target: mountPoint,
      type: mount?.type ?? 'none',
      options: ['remount', mode, ...flags],
    });
  remount('rw');
  cleanup.push(`${mountPoint} back to read-only`, () => remount('ro'));
}
