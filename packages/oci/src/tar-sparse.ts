import { blockSize, numericField, tarError } from './tar-header.ts';
import type { SparseRecords } from './tar-pax.ts';

/** Extents of one file that are read; what has more is refused. */
export const maximumExtents = 100_000;

/** A stretch of a sparse file that has data. */
export interface Extent {
  readonly offset: number;
  readonly length: number;
}

export interface SparseFile {
  /** Bytes of the file, holes counted. */
  readonly size: number;
  readonly extents: readonly Extent[];
}

/** An archive that is read up to the content of an entry. */
export interface SparseSource {
  /** Bytes of the content that are not read yet. */
  left(): number;
  /** The next block, which belongs to the header. @throws KairosError `TAR_TRUNCATED` */
  headerBlock(): Promise<Uint8Array>;
  /** The next block, which belongs to the content. @throws KairosError `TAR_TRUNCATED` */
  contentBlock(): Promise<Uint8Array>;
}

/**
 * Where the data of a file belongs; `undefined` for a file that is not sparse. A map that lies in the archive is read.
 * @param block the header block of the entry
 * @throws KairosError `TAR_INVALID`, `TAR_UNSUPPORTED`, `TAR_TOO_LARGE`, and what the source throws
 */
export async function sparseFile(
  flag: string,
  block: Uint8Array,
  { major, minor, realSize, map }: SparseRecords,
  source: SparseSource,
  where: string,
): Promise<SparseFile | undefined> {
  const fileOf = (numbers: readonly number[], size: number) => extentsOf(numbers, size, source.left(), where);
  if (flag === 'S') {
    const numbers = await oldGnuMap(block, source, where);
    return fileOf(numbers, numericField(block, 483, 12, where));
  }
  if (major === undefined && map === undefined) return undefined;
  if (realSize === undefined) throw tarError('TAR_INVALID', where, 'a sparse file without its size');
  if (major === undefined || major === 0) return fileOf(map ?? [], realSize);
  if (major !== 1 || minor !== 0) {
    throw tarError('TAR_UNSUPPORTED', where, `the sparse format ${major}.${minor} is not supported`);
  }
  return fileOf(await mapInContent(source, where), realSize);
}

/** Old GNU format: four pairs in the header, more in blocks that follow it. */
async function oldGnuMap(block: Uint8Array, source: SparseSource, where: string): Promise<number[]> {
  const numbers: number[] = [];
  const pairs = (from: Uint8Array, offset: number, count: number) => {
    for (let index = 0; index < count; index++) {
      const at = offset + 24 * index;
      if (from[at] === 0 && from[at + 12] === 0) return;
      numbers.push(numericField(from, at, 12, where), numericField(from, at + 12, 12, where));
    }
  };
  pairs(block, 386, 4);
  let more = block[482] !== 0;
  while (more) {
    const next = await source.headerBlock();
    pairs(next, 0, 21);
    more = next[504] !== 0;
    if (numbers.length > 2 * maximumExtents) {
      throw tarError('TAR_TOO_LARGE', where, `a sparse file has more than ${maximumExtents} extents`);
    }
  }
  return numbers;
}

/** Format 1.0: decimal numbers, one a line, padded to a block, before the data. */
async function mapInContent(source: SparseSource, where: string): Promise<number[]> {
  const numbers: number[] = [];
  let expected: number | undefined;
  let current = 0;
  let digits = 0;
  while (expected === undefined || numbers.length < expected) {
    if (source.left() < blockSize) throw tarError('TAR_INVALID', where, 'the map of a sparse file is cut');
    for (const byte of await source.contentBlock()) {
      if (expected !== undefined && numbers.length === expected) break;
      if (byte === 0x0a && digits > 0) {
        if (expected === undefined) {
          expected = 2 * current;
          if (current > maximumExtents) {
            throw tarError('TAR_TOO_LARGE', where, `a sparse file has more than ${maximumExtents} extents`);
          }
        } else numbers.push(current);
        current = 0;
        digits = 0;
      } else if (byte >= 0x30 && byte <= 0x39 && digits < 16) {
        current = current * 10 + (byte - 0x30);
        digits++;
      } else throw tarError('TAR_INVALID', where, 'the map of a sparse file is malformed');
    }
  }
  return numbers;
}

/** Extents of a map, which must cover what is stored and lie within the file in order. */
function extentsOf(numbers: readonly number[], size: number, stored: number, where: string): SparseFile {
  const extents: Extent[] = [];
  let end = 0;
  let total = 0;
  for (let index = 0; index < numbers.length; index += 2) {
    const offset = numbers[index] ?? 0;
    const length = numbers[index + 1] ?? -1;
    if (length < 0 || offset < end || offset + length > size) {
      throw tarError('TAR_INVALID', where, 'the map of a sparse file does not fit its size');
    }
    end = offset + length;
    total += length;
    if (length > 0) extents.push({ offset, length });
  }
  if (total !== stored || !Number.isSafeInteger(size)) {
    throw tarError(
      'TAR_INVALID',
      where,
      `the map of a sparse file names ${total} bytes, the archive holds ${stored}`,
    );
  }
  return { size, extents };
}
