import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import type { Architecture } from '@kairos/facts/architecture';
import { KairosError } from '@kairos/facts/errors';

export type ImageFilesystem = 'squashfs' | 'erofs' | 'ext4' | 'btrfs' | 'unknown';

export interface ImagePart {
  /** Bytes in the file. */
  readonly offset: number;
  readonly size: number;
}

/** What an image of an extension consists of. */
export interface ExtensionImage {
  /** A file system, or a disk with partitions of the Discoverable Partitions Specification. */
  readonly form: 'filesystem' | 'disk';
  readonly filesystem: ImageFilesystem;
  /** Where the file system belongs in the tree of the extension: a partition of the kind `usr` is what is below `/usr`. */
  readonly place: '/' | '/usr';
  /** The file system's part of the file. */
  readonly data: ImagePart;
  readonly verity: ImagePart | undefined;
  readonly signature: ImagePart | undefined;
}

/** Partition types of the Discoverable Partitions Specification, of a root and of `/usr`, for the architectures that nodes have. */
const partitionTypes = {
  amd64: {
    data: ['4f68bce3-e8cd-4db1-96e7-fbcaf984b709', '8484680c-9521-48c6-9c11-b0720656f69e'],
    verity: ['2c7357ed-ebd2-46d9-aec1-23d437ec2bf5', '77ff5f63-e7b6-4633-acf4-1565b864c0e6'],
    signature: ['41092b05-9fc8-4523-994f-2def0408b176', 'e7bb33fb-06cf-4e81-8273-e543b413e2e2'],
  },
  arm64: {
    data: ['b921b045-1df0-41c3-af44-4c6f280d3fae', 'b0e01050-ee5f-4390-949a-9101b17104e9'],
    verity: ['df3300ce-d69f-4c92-978c-9bfb0f38d820', '6e11a4e7-fbca-4ded-b9e9-e1a512bb664e'],
    signature: ['6db69de6-29f4-4758-a7a5-962190f00ce3', 'c23ce4ff-44bd-4b00-b2d4-b41b3419e02a'],
  },
  riscv64: {
    data: ['72ec70a6-cf74-40e6-bd49-4bda08e8f224', 'beaec34b-8442-439b-a40b-984381ed097d'],
    verity: ['b6ed5582-440b-4209-b8da-5ff7c419ea3d', '8f1056be-9b05-47c4-81d6-be53128e5b54'],
    signature: ['efe0f087-ea8d-4469-821a-4c2a96a8386a', 'd2f9000a-7a18-453f-b5cd-4d32f77a7b32'],
  },
} as const;

function invalid(name: string, reason: string): KairosError {
  return new KairosError('EXTENSION_INVALID', `${name} is no extension image: ${reason}`, {
    exit: 'corruptSource',
    hint: 'An extension is a squashfs, erofs or ext4 image, or a disk image of systemd-repart',
  });
}

export type ReadPart = (offset: number, length: number) => Buffer;

/** Reads pieces of a file; what lies behind its end is missing from the piece. */
export function withFile<Result>(path: string, work: (read: ReadPart, size: number) => Result): Result {
  const descriptor = openSync(path, 'r');
  try {
    return work((offset, length) => {
      const buffer = Buffer.alloc(length);
      return buffer.subarray(0, readSync(descriptor, buffer, 0, length, offset));
    }, fstatSync(descriptor).size);
  } finally {
    closeSync(descriptor);
  }
}

function filesystemAt(read: ReadPart, offset: number): ImageFilesystem {
  const start = read(offset, 4);
  if (start.toString('latin1') === 'hsqs') return 'squashfs';
  const middle = read(offset + 1024, 64);
  if (middle.length >= 4 && middle.readUInt32LE(0) === 0xe0f5e1e2) return 'erofs';
  if (middle.length >= 58 && middle.readUInt16LE(56) === 0xef53) return 'ext4';
  if (read(offset + 0x10040, 8).toString('latin1') === '_BHRfS_M') return 'btrfs';
  return 'unknown';
}

/** A GUID of a partition table in its usual form: its first three fields are little-endian. */
function guidAt(bytes: Buffer, offset: number): string {
  const hex = (from: number, to: number, reverse: boolean) => {
    const part = Buffer.from(bytes.subarray(offset + from, offset + to));
    return (reverse ? part.reverse() : part).toString('hex');
  };
  return [hex(0, 4, true), hex(4, 6, true), hex(6, 8, true), hex(8, 10, false), hex(10, 16, false)].join('-');
}

/** Entries that a table may have; usual are 128. */
const maximumEntries = 1024;

function partitionsOf(read: ReadPart, size: number, sector: number, name: string) {
  const header = read(sector, 92);
  const start = Number(header.readBigUInt64LE(72)) * sector;
  const count = header.readUInt32LE(80);
  const entrySize = header.readUInt32LE(84);
  if (count > maximumEntries || entrySize < 128 || entrySize > 4096 || start + count * entrySize > size) {
    throw invalid(name, 'its partition table is damaged');
  }
  const table = read(start, count * entrySize);
  return Array.from({ length: count }, (_, index) => {
    const at = index * entrySize;
    const offset = Number(table.readBigUInt64LE(at + 32)) * sector;
    const end = (Number(table.readBigUInt64LE(at + 40)) + 1) * sector;
    return { type: guidAt(table, at), offset, size: end - offset };
  }).filter(({ type }) => type !== '00000000-0000-0000-0000-000000000000');
}

/**
 * Looks at an image without mounting it.
 * @throws KairosError `EXTENSION_INVALID`
 */
export function inspectExtension(path: string, name: string, architecture: Architecture): ExtensionImage {
  return withFile(path, (read, size) => {
    const sector = [512, 4096].find((one) => read(one, 8).toString('latin1') === 'EFI PART');
    if (sector === undefined) {
      const filesystem = filesystemAt(read, 0);
      if (filesystem === 'unknown') throw invalid(name, 'it begins with no known file system');
      const data = { offset: 0, size };
      return { form: 'filesystem', filesystem, place: '/', data, verity: undefined, signature: undefined };
    }
    const partitions = partitionsOf(read, size, sector, name);
    const types = partitionTypes[architecture];
    const find = (wanted: string): ImagePart | undefined => {
      const found = partitions.filter(({ type }) => type === wanted);
      if (found.length > 1) throw invalid(name, 'it has several partitions of one kind');
      const [part] = found;
      if (part === undefined) return undefined;
      if (part.size <= 0 || part.offset + part.size > size) {
        throw invalid(name, 'a partition of it ends behind the end of the file');
      }
      return { offset: part.offset, size: part.size };
    };
    // systemd takes a root where there are both.
    const index = types.data.findIndex((type) => find(type) !== undefined) === 1 ? 1 : 0;
    const data = find(types.data[index]);
    if (data === undefined) throw invalid(name, `it has no partition with a system for ${architecture}`);
    const filesystem = filesystemAt(read, data.offset);
    if (filesystem === 'unknown') throw invalid(name, 'its partition holds no known file system');
    return {
      ...{ form: 'disk', filesystem, data, place: index === 1 ? '/usr' : '/' },
      verity: find(types.verity[index]),
      signature: find(types.signature[index]),
    };
  });
}
