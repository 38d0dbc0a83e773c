import type { ReadableDisk } from './block-disk.ts';

export interface TablePartition {
  readonly name: string;
  /** Bytes. */
  readonly start: number;
  readonly size: number;
}

const sector = 512;
const crc = (bytes: Uint8Array) => Bun.hash.crc32(bytes) >>> 0;

function readCopy(disk: ReadableDisk, offset: number): TablePartition[] | undefined {
  const header = Buffer.from(disk.read(offset, sector));
  if (header.toString('latin1', 0, 8) !== 'EFI PART') return undefined;
  const size = header.readUInt32LE(12);
  if (size < 92 || size > sector) return undefined;
  const checksum = header.readUInt32LE(16);
  header.writeUInt32LE(0, 16);
  if (crc(header.subarray(0, size)) !== checksum) return undefined;
  const [start, count, entrySize] = [72, 80, 84].map((at) =>
    at === 72 ? Number(header.readBigUInt64LE(at)) : header.readUInt32LE(at),
  ) as [number, number, number];
  if (entrySize < 128 || count > 1024) return undefined;
  const table = Buffer.from(disk.read(start * sector, count * entrySize));
  if (crc(table) !== header.readUInt32LE(88)) return undefined;
  const partitions: TablePartition[] = [];
  for (let at = 0; at < table.length; at += entrySize) {
    if (table.subarray(at, at + 16).every((byte) => byte === 0)) continue;
    const first = Number(table.readBigUInt64LE(at + 32));
    const last = Number(table.readBigUInt64LE(at + 40));
    partitions.push({
      name: table.toString('utf16le', at + 56, at + 128).replace(/\0+$/, ''),
      start: first * sector,
      size: (last - first + 1) * sector,
    });
  }
  return partitions;
}

/** The partitions of a GPT whose checksums are right: of the first copy, else of the one at the end of the disk. */
export function readPartitionTable(disk: ReadableDisk): TablePartition[] | undefined {
  return readCopy(disk, sector) ?? readCopy(disk, disk.size - sector);
}
