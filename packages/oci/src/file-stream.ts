import type { FileHandle } from 'node:fs/promises';
import { openOrdinary } from '@kairos/host/ordinary-file';
import type { SkippingStream } from './byte-reader.ts';

const chunkSize = 256 * 1024;

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
  const handle = await openOrdinary(path, { exit: 'corruptSource' });
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
