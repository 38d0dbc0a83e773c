import { minimumDiskSize } from '@kairos/artifacts/disk-layout';
import { reasonOf } from '@kairos/facts/errors';
import { formatSize } from '@kairos/facts/size';
import type { Host } from '@kairos/host/host';
import type { DiskChoice } from '@kairos/pages/installer-api';
import {
  checkDisk,
  foreignData,
  inspectDisk,
  isTarget,
  largestDisk,
  mountsOf,
  type TargetDisk,
} from '../install/target-disk.ts';

const noNames: ReadonlySet<string> = new Set();

function contentsOf({ disk, signatures }: TargetDisk): string[] {
  // A file system can have several signatures.
  const on = (device: string) => [
    ...new Set(
      signatures
        .filter((signature) => signature.device === device)
        .map(({ type, label }) => (label === '' ? type : `${type} ${JSON.stringify(label)}`)),
    ),
  ];
  return [
    ...(on(disk.path).length > 0 ? [`${disk.path}: ${on(disk.path).join(', ')}`] : []),
    ...disk.partitions.map(({ path, partitionName, size }) => {
      const named = partitionName === '' ? '' : `, named ${partitionName}`;
      return `${path} (${formatSize(size)}${named}): ${on(path).join(', ') || 'no known file system'}`;
    }),
  ];
}

function assess(target: TargetDisk, slotSize: number | undefined): Pick<DiskChoice, 'state' | 'reason'> {
  try {
    checkDisk(target, { force: true, extraNames: noNames });
  } catch (error) {
    return { state: 'refused', reason: reasonOf(error) };
  }
  const needed = slotSize === undefined ? 0 : minimumDiskSize(slotSize);
  if (target.disk.size < needed) {
    return { state: 'refused', reason: `too small: ${formatSize(needed)} are needed at least` };
  }
  const foreign = foreignData(target, noNames);
  return foreign.length === 0
    ? { state: 'free' }
    : { state: 'data', reason: `holds data that is not of a Kairos installation: ${foreign.join('; ')}` };
}

/**
 * The disks that a person may choose from, the largest first, with what is on each and why one may not be taken.
 * @param slotSize bytes of the image, where it is known: a disk that is too small for it is refused
 */
export async function diskChoices(host: Host, slotSize?: number): Promise<DiskChoice[]> {
  const disks = await host.disks();
  let automatic: string | undefined;
  try {
    automatic = largestDisk(disks).path;
  } catch {
    // No disk to install to by itself: each one says why below.
    automatic = undefined;
  }
  const choices: DiskChoice[] = [];
  for (const disk of disks.filter(isTarget)) {
    const common = { path: disk.path, size: disk.size, model: disk.model, removable: disk.removable };
    const auto = disk.path === automatic;
    const mounts = mountsOf(disk).map(({ device, mountPoint }) => `${device} as ${mountPoint}`);
    if (mounts.length > 0) {
      // Known without a look at the disk itself, which what holds it may refuse.
      choices.push({
        ...common,
        contents: [],
        state: 'refused',
        reason: `in use: ${mounts.join(', ')}`,
        auto,
      });
      continue;
    }
    try {
      const target = await inspectDisk(host, disk);
      choices.push({ ...common, contents: contentsOf(target), ...assess(target, slotSize), auto });
    } catch (error) {
      choices.push({ ...common, contents: [], state: 'refused', reason: reasonOf(error), auto });
    }
  }
  return choices.toSorted((a, b) => b.size - a.size || (a.path < b.path ? -1 : 1));
}
