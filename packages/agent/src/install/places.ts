import {
  type DiskPlan,
  type ExtraPartition,
  type PartitionSizes,
  planDisk,
} from '@kairos/artifacts/disk-layout';
import { KairosError } from '@kairos/facts/errors';
import { labels, partitionNames } from '@kairos/facts/labels';
import { filesystemShare } from '../slots/size.ts';
import { workMounts } from '../slots/work-mounts.ts';
import type { TargetDisk } from './target-disk.ts';

export interface PlannedPartition {
  readonly path: string;
  readonly name: string;
  readonly label: string;
  readonly filesystem: string;
  /** Bytes. */
  readonly size: number;
}

/** The kernel's name of a partition: `sda1`, but `nvme0n1p1`. */
export function partitionPath(disk: string, number: number): string {
  return `${disk}${/\d$/.test(disk) ? 'p' : ''}${number}`;
}

/** The partitions of an installation, and how the disk is divided where that is new. */
export interface Places {
  /** `start` in bytes. */
  readonly partitions: readonly (PlannedPartition & { readonly start: number })[];
  readonly disk: DiskPlan | undefined;
}

/** How a disk that is divided anew is wished. */
export interface PlacesWish {
  readonly sizes?: PartitionSizes;
  readonly extra?: readonly ExtraPartition[];
  readonly guids: (what: string) => string;
}

/**
 * Divides the disk anew.
 * @param slotSize bytes of one slot
 * @throws KairosError `DISK_TOO_SMALL`, `PARTITION_*`
 */
export function newPlaces({ disk }: TargetDisk, wish: PlacesWish, slotSize: number): Places {
  const plan = planDisk({
    diskSize: disk.size,
    slotSize,
    ...(wish.sizes === undefined ? {} : { sizes: wish.sizes }),
    ...(wish.extra === undefined ? {} : { extra: wish.extra }),
    guids: wish.guids,
  });
  return {
    disk: plan,
    partitions: plan.partitions.map(({ number, name, label, filesystem, size, start }) => ({
      path: partitionPath(disk.path, number),
      ...{ name, label, filesystem, size, start },
    })),
  };
}

/**
 * Partitions that someone has prepared with our labels.
 * @param firmware that the disk is to start on
 * @param slotSize bytes of one slot
 * @throws KairosError `PARTITION_MISSING`, `PARTITION_TOO_SMALL`
 */
export function preparedPlaces(target: TargetDisk, firmware: 'efi' | 'bios', slotSize: number): Places {
  const { disk, signatures } = target;
  const partitions = disk.partitions.flatMap(({ path, partitionName, size, filesystem }) => {
    const own = signatures.find(({ device, label }) => device === path && label !== '');
    const name =
      (Object.keys(workMounts) as (keyof typeof workMounts)[]).find(
        (key) => labels[key === 'efi' ? 'esp' : key] === own?.label,
      ) ?? (partitionName === partitionNames.bios ? partitionNames.bios : undefined);
    if (name === undefined) return [];
    const start = target.starts.get(path) ?? 0;
    return [{ path, name, label: own?.label ?? '', filesystem: own?.type ?? filesystem, size, start }];
  });
  const missing = (['oem', 'recovery', 'state', 'persistent', firmware] as const).filter(
    (name) => !partitions.some((partition) => partition.name === name),
  );
  if (missing.length > 0) {
    const words = missing.map((name) =>
      name === 'bios' ? 'named bios' : `labelled ${labels[name === 'efi' ? 'esp' : name]}`,
    );
    throw new KairosError(
      'PARTITION_MISSING',
      `install.no-format: ${disk.path} has no partition ${words.join(', ')}`,
      {
        exit: 'unsuitableDisk',
        hint: 'Prepare the disk in the stage kairos-install.pre, or let it be formatted',
      },
    );
  }
  for (const [name, count] of [
    ['state', 2],
    ['recovery', 1],
  ] as const) {
    const partition = partitions.find((one) => one.name === name);
    const needed = Math.ceil((count * slotSize) / (1 - filesystemShare));
    if (partition && partition.size < needed) {
      throw new KairosError(
        'PARTITION_TOO_SMALL',
        `${partition.path} (${labels[name]}) has ${partition.size} bytes, and ${count} slots of the image need ${needed}`,
        {
          exit: 'unsuitableDisk',
          hint: 'Make the partition larger; an upgrade needs room for one slot more',
        },
      );
    }
  }
  return { partitions, disk: undefined };
}
