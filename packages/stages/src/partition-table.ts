import { KairosError } from '@kairos/facts/errors';
import { formatSize, MiB } from '@kairos/facts/size';

/** A partition as `sfdisk --json` tells it; numbers are sectors. */
export interface TablePartition {
  readonly node: string;
  readonly number: number;
  readonly start: number;
  readonly size: number;
  readonly name: string;
  readonly type: string;
}

export interface PartitionTable {
  readonly kind: string;
  readonly sectorSize: number;
  /** The last sector that a partition may use. */
  readonly lastSector: number;
  readonly firstSector: number;
  readonly partitions: readonly TablePartition[];
}

/** Backup header and its entries at the end of a GPT disk. */
const backupSectors = 33;
/** A partition of less is refused. */
export const minimumFree = 32 * MiB;

/** Partition types of GPT, by UEFI and the discoverable partitions specification. */
export const partitionTypes = {
  linux: '0FC63DAF-8483-4772-8E79-3D69D8477DE4',
  efi: 'C12A7328-F81F-11D2-BA4B-00A0C93EC93B',
  bios: '21686148-6449-6E6F-744E-656564454649',
  swap: '0657FD6D-A4AB-43C4-84E5-0933C84B4F4F',
} as const;

/** The name of a partition's device: `/dev/sda1`, but `/dev/nvme0n1p1`. */
export function partitionNode(disk: string, number: number): string {
  return /\d$/.test(disk) ? `${disk}p${number}` : `${disk}${number}`;
}

function numberOf(node: string, disk: string): number {
  const rest = node.startsWith(disk) ? node.slice(disk.length) : node;
  return Number(/(\d+)$/.exec(rest)?.[1] ?? Number.NaN);
}

/**
 * Reads `sfdisk --json`.
 * @param diskSize in bytes; the table may have been written when the disk was smaller
 * @throws KairosError `PARTITION_TABLE_UNREADABLE`
 */
export function parsePartitionTable(
  json: string,
  disk: string,
  diskSize: number | undefined,
): PartitionTable {
  const unreadable = (cause?: unknown) =>
    new KairosError('PARTITION_TABLE_UNREADABLE', `cannot read the partition table of ${disk}`, {
      exit: 'unsuitableDisk',
      cause,
    });
  let table: Record<string, unknown> | undefined;
  try {
    table = (JSON.parse(json) as { partitiontable?: Record<string, unknown> }).partitiontable;
  } catch (cause) {
    throw unreadable(cause);
  }
  if (table === undefined) throw unreadable();
  const number = (value: unknown, otherwise: number) => (value === undefined ? otherwise : Number(value));
  const sectorSize = number(table.sectorsize, 512);
  const recorded = number(table.lastlba, 0);
  const possible = diskSize === undefined ? recorded : Math.floor(diskSize / sectorSize) - 1 - backupSectors;
  const rows = Array.isArray(table.partitions) ? (table.partitions as Record<string, unknown>[]) : [];
  return {
    kind: String(table.label ?? ''),
    sectorSize,
    firstSector: number(table.firstlba, 2048),
    lastSector: Math.max(recorded, possible),
    partitions: rows
      .map((row) => ({
        node: String(row.node),
        number: numberOf(String(row.node), disk),
        start: number(row.start, 0),
        size: number(row.size, 0),
        name: String(row.name ?? ''),
        type: String(row.type ?? '').toUpperCase(),
      }))
      .sort((a, b) => a.start - b.start),
  };
}

/** A fresh GPT on a disk of so many bytes, with sectors of 512 bytes. */
export function emptyTable(diskSize: number): PartitionTable {
  return {
    kind: 'gpt',
    sectorSize: 512,
    firstSector: 2048,
    lastSector: Math.floor(diskSize / 512) - 1 - backupSectors,
    partitions: [],
  };
}

/** The first sector behind the last partition, at a full MiB. */
function nextStart(table: PartitionTable): number {
  const step = MiB / table.sectorSize;
  const end = Math.max(table.firstSector, ...table.partitions.map(({ start, size }) => start + size));
  return Math.ceil(end / step) * step;
}

export interface PlacedPartition {
  readonly number: number;
  readonly start: number;
  readonly size: number;
}

/**
 * Where a new partition goes: behind the last one, aligned to a MiB.
 * @param size bytes, 0 for the rest
 * @throws KairosError `DISK_FULL`
 */
export function placePartition(table: PartitionTable, disk: string, size: number): PlacedPartition {
  const step = MiB / table.sectorSize;
  const start = nextStart(table);
  const free = Math.floor((table.lastSector + 1 - start) / step) * step;
  const wanted = size === 0 ? Math.max(free, 0) : size / table.sectorSize;
  const needed = Math.max(size, minimumFree);
  if (size === 0 ? free * table.sectorSize < minimumFree : wanted > free) {
    throw new KairosError(
      'DISK_FULL',
      `${disk} has ${formatSize(Math.max(0, free) * table.sectorSize)} free behind its last partition; ${formatSize(needed)} are needed`,
      { exit: 'noSpace' },
    );
  }
  const used = new Set(table.partitions.map(({ number }) => number));
  let number = 1;
  while (used.has(number)) number++;
  return { number, start, size: wanted };
}

/**
 * How far the last partition grows, in sectors; `undefined` where less than a MiB would be won. Never shrinks.
 * @param size bytes that it is to have, 0 for all there is
 */
export function growth(
  table: PartitionTable,
  size: number,
): { readonly partition: TablePartition; readonly size: number } | undefined {
  const last = table.partitions.at(-1);
  if (last === undefined) return undefined;
  const step = MiB / table.sectorSize;
  const end = Math.floor((table.lastSector + 1) / step) * step;
  const possible = end - last.start;
  const wanted = size === 0 ? possible : Math.min(possible, Math.ceil(size / table.sectorSize));
  return wanted - last.size >= step ? { partition: last, size: wanted } : undefined;
}
