import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { KairosError } from '@kairos/facts/errors';
import { formatSize } from '@kairos/facts/size';
import type { SkippingStream } from './byte-reader.ts';

const chunkSize = 256 * 1024;

/** Not waiting: a pipe that nobody writes to would not even open. */
const readingFlags = constants.O_RDONLY | constants.O_NONBLOCK;

const notOrdinary = (path: string) =>
  new KairosError('FILE_NOT_ORDINARY', `${path} is not an ordinary file`, { exit: 'corruptSource' });

/**
 * Opens a file of somebody else's folder for reading.
 * @throws KairosError `FILE_NOT_ORDINARY` for what could keep a reader waiting or never end: pipes, devices, directories;
 *   and the system's errors
 */
export async function openOrdinary(path: string): Promise<FileHandle> {
  const handle = await open(path, readingFlags);
  try {
    if (!(await handle.stat()).isFile()) throw notOrdinary(path);
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/**
 * A small file of somebody else's folder, whole.
 * @throws KairosError `FILE_NOT_ORDINARY`, `FILE_TOO_LARGE` beyond `limit` bytes, and the system's errors
 */
export function readOrdinaryFile(path: string, limit: number): Uint8Array {
  const descriptor = openSync(path, readingFlags);
  try {
    const status = fstatSync(descriptor);
    if (!status.isFile()) throw notOrdinary(path);
    if (status.size > limit) {
      throw new KairosError(
        'FILE_TOO_LARGE',
        `${path} has ${formatSize(status.size)}, more than ${formatSize(limit)}`,
        { exit: 'corruptSource' },
      );
    }
    const bytes = Buffer.alloc(status.size);
    let length = 0;
    while (length < bytes.length) {
      const count = readSync(descriptor, bytes, length, bytes.length - length, length);
      if (count === 0) break;
      length += count;
    }
    return bytes.subarray(0, length);
  } finally {
    closeSync(descriptor);
  }
}

/**
 * The bytes of an open file from `offset`, at most `length` of them; fewer where the file ends before. The handle
 * stays open and its own position is left alone, so that several may read at once.
 */
export async function* readRange(
  handle: FileHandle,
  offset: number,
  length: number,
): AsyncGenerator<Uint8Array> {
  let at = offset;
  const end = offset + length;
  while (at < end) {
    const buffer = Buffer.allocUnsafeSlow(Math.min(chunkSize, end - at));
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, at);
    if (bytesRead === 0) return;
    at += bytesRead;
    yield bytesRead === buffer.length ? buffer : buffer.subarray(0, bytesRead);
  }
}

/** The bytes of a file from `offset` on, in large pieces. Fails with the system's error (`ENOENT`, ...), and as {@link openOrdinary}. */
export async function* readFileStream(path: string, offset = 0): AsyncGenerator<Uint8Array> {
  const handle = await openOrdinary(path);
  try {
    yield* readRange(handle, offset, Number.MAX_SAFE_INTEGER - offset);
  } finally {
    await handle.close();
  }
}

/** Writes all of `bytes` at `position`: write(2) may take less than it is given. */
export async function writeFully(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}

/** An open file from its beginning, for a reader that passes over most of it. The handle stays open. */
export function skippingStream(handle: FileHandle, pieceSize = 32 * 1024): SkippingStream {
  let at = 0;
  return {
    skip(count) {
      at += count;
    },
    async *[Symbol.asyncIterator]() {
      for (;;) {
        const buffer = Buffer.allocUnsafeSlow(pieceSize);
        const { bytesRead } = await handle.read(buffer, 0, pieceSize, at);
        if (bytesRead === 0) return;
        at += bytesRead;
        yield buffer.subarray(0, bytesRead);
      }
    },
  };
}
