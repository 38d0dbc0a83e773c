/**
 * The log of a disk's writes in the format of Linux's dm-log-writes (Documentation/admin-guide/device-mapper/
 * log-writes.rst), as QEMU's `blklogwrites` writes it (block/blklogwrites.c). All numbers are little-endian. The
 * first sector is the superblock; then come entries, each a sector that begins with four u64, followed by its data:
 * of a write `nr_sectors` sectors, of a mark `data_len` bytes in whole sectors, of a flush and a discard none.
 */

const magic = 0x6a736677736872n;
const version = 1n;
const flushFlag = 1;
const fuaFlag = 2;
const discardFlag = 4;
const markFlag = 8;

/** One request that the disk completed, in the order of completion. */
export interface LogEntry {
  /** Position in the log, from 0. */
  readonly index: number;
  /** All writes before this entry are on the disk for good. */
  readonly flush: boolean;
  /** This write itself is on the disk for good when it completes. */
  readonly fua: boolean;
  readonly discard: boolean;
  /** Text of a mark. */
  readonly mark: string | undefined;
  /** Bytes. */
  readonly offset: number;
  /** Bytes; of a discard too. */
  readonly length: number;
  /** What was written: a view into the log. */
  readonly data: Uint8Array;
}

export interface WriteLog {
  readonly sectorSize: number;
  /** By the superblock, which is brought up to date at each flush. */
  readonly count: number;
  entries(): Generator<LogEntry>;
}

/**
 * Reads a log; `bytes` may be a mapped file, which is read only as far as it is walked. Entries behind the last
 * that the superblock counts are left out: whether they were written whole is not known.
 * @throws Error where it is not such a log, or ends too early
 */
export function readWriteLog(bytes: Uint8Array): WriteLog {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 512 || view.getBigUint64(0, true) !== magic) throw new Error('not a log of writes');
  if (view.getBigUint64(8, true) !== version) throw new Error('a log of writes of another version');
  const count = Number(view.getBigUint64(16, true));
  const sectorSize = view.getUint32(24, true);
  if (sectorSize < 512 || (sectorSize & (sectorSize - 1)) !== 0) {
    throw new Error(`a log of writes with sectors of ${sectorSize} bytes`);
  }
  return {
    sectorSize,
    count,
    *entries() {
      let at = sectorSize;
      for (let index = 0; index < count; index++) {
        if (at + sectorSize > bytes.length) throw new Error(`the log ends before entry ${index} of ${count}`);
        const field = (number: number) => Number(view.getBigUint64(at + 8 * number, true));
        const [sector, sectors, flags, dataLength] = [field(0), field(1), field(2), field(3)];
        const length = sectors * sectorSize;
        const isMark = (flags & markFlag) !== 0;
        const isDiscard = (flags & discardFlag) !== 0;
        const size = isMark ? dataLength : isDiscard ? 0 : length;
        const start = at + sectorSize;
        if (start + size > bytes.length) throw new Error(`the log ends within entry ${index} of ${count}`);
        const data = bytes.subarray(start, start + size);
        yield {
          index,
          flush: (flags & flushFlag) !== 0,
          fua: (flags & fuaFlag) !== 0,
          discard: isDiscard,
          mark: isMark ? Buffer.from(data).toString('utf8').replace(/\0+$/, '') : undefined,
          offset: sector * sectorSize,
          length: isMark ? 0 : length,
          data: isMark ? new Uint8Array() : data,
        };
        at = start + Math.ceil(size / sectorSize) * sectorSize;
      }
    },
  };
}

/** One entry to be laid out, for tests and for tools that make logs. */
export interface EntryToWrite {
  readonly offset?: number;
  readonly data?: Uint8Array;
  /** Length of a discard. */
  readonly length?: number;
  readonly flags?: readonly ('flush' | 'fua' | 'discard' | 'mark')[];
}

/** Lays out a log. */
export function formatWriteLog(entries: readonly EntryToWrite[], sectorSize = 512): Uint8Array {
  const sector = (fill: (view: DataView) => void) => {
    const bytes = Buffer.alloc(sectorSize);
    fill(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    return bytes;
  };
  const parts: Uint8Array[] = [
    sector((view) => {
      view.setBigUint64(0, magic, true);
      view.setBigUint64(8, version, true);
      view.setBigUint64(16, BigInt(entries.length), true);
      view.setUint32(24, sectorSize, true);
    }),
  ];
  for (const { offset = 0, data = new Uint8Array(), length = data.length, flags = [] } of entries) {
    const bit = { flush: flushFlag, fua: fuaFlag, discard: discardFlag, mark: markFlag };
    const isMark = flags.includes('mark');
    parts.push(
      sector((view) => {
        view.setBigUint64(0, BigInt(offset / sectorSize), true);
        view.setBigUint64(8, BigInt(isMark ? 0 : length / sectorSize), true);
        view.setBigUint64(16, BigInt(flags.reduce((sum, flag) => sum | bit[flag], 0)), true);
        view.setBigUint64(24, BigInt(isMark ? data.length : 0), true);
      }),
      data,
      Buffer.alloc((sectorSize - (data.length % sectorSize)) % sectorSize),
    );
  }
  return Buffer.concat(parts);
}
