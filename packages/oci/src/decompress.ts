import { Readable } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { KairosError, reasonOf } from '@kairos/facts/errors';
import { ByteReader } from './byte-reader.ts';
import { ZstdFrames } from './zstd-frames.ts';

export type Compression = 'none' | 'gzip' | 'zstd' | 'xz' | 'bzip2';

/** What a stream is compressed with, from its first bytes (6 are enough); media types are not always right. */
export function compressionOf(start: Uint8Array): Compression {
  const begins = (...magic: number[]) => magic.every((byte, index) => start[index] === byte);
  if (begins(0x1f, 0x8b)) return 'gzip';
  if (begins(0x28, 0xb5, 0x2f, 0xfd)) return 'zstd';
  // A skippable frame may come first (zstd format, "Skippable Frames"); pzstd and zstd:chunked write some.
  if (
    start.length >= 4 &&
    ((start[0] ?? 0) & 0xf0) === 0x50 &&
    start[1] === 0x2a &&
    start[2] === 0x4d &&
    start[3] === 0x18
  ) {
    return 'zstd';
  }
  if (begins(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00)) return 'xz';
  if (begins(0x42, 0x5a, 0x68)) return 'bzip2';
  return 'none';
}

const bufferSize = 256 * 1024;

async function* rest(first: Uint8Array, reader: ByteReader, frames?: ZstdFrames): AsyncGenerator<Uint8Array> {
  try {
    frames?.update(first);
    if (first.length > 0) yield first;
    for (;;) {
      const chunk = await reader.some(Number.MAX_SAFE_INTEGER);
      if (chunk === undefined) return;
      frames?.update(chunk);
      yield chunk;
    }
  } finally {
    await reader.cancel();
  }
}

/**
 * Takes gzip or zstd off a stream, as its first bytes say; anything else passes as it is. Bounded memory.
 * An error of the stream itself comes out as it went in.
 * @param name Names the stream in messages.
 * @throws KairosError `COMPRESSION_UNSUPPORTED`, `COMPRESSED_DATA_INVALID`
 */
export async function* decompress(
  stream: AsyncIterable<Uint8Array>,
  name: string,
): AsyncGenerator<Uint8Array> {
  const reader = new ByteReader(stream);
  const start = await reader.take(6);
  const compression = compressionOf(start);
  const frames = compression === 'zstd' ? new ZstdFrames() : undefined;
  const input = rest(start, reader, frames);
  if (compression === 'none') {
    yield* input;
    return;
  }
  if (compression === 'xz' || compression === 'bzip2') {
    await reader.cancel();
    throw new KairosError('COMPRESSION_UNSUPPORTED', `${name} is compressed with ${compression}`, {
      exit: 'corruptSource',
      hint: 'gzip, zstd and no compression are supported: unpack it first.',
    });
  }
  const decoder =
    compression === 'gzip'
      ? createGunzip({ chunkSize: bufferSize })
      : createZstdDecompress({ chunkSize: bufferSize });
  const invalid = (reason: string, cause?: unknown) =>
    new KairosError('COMPRESSED_DATA_INVALID', `${name} cannot be decompressed: ${reason}`, {
      exit: 'corruptSource',
      hint: 'The file is damaged or truncated.',
      ...(cause === undefined ? {} : { cause }),
    });
  let sourceError: unknown;
  const source = Readable.from(input, { objectMode: false, highWaterMark: bufferSize });
  source.on('error', (error) => {
    sourceError = error;
    decoder.destroy(error);
  });
  source.pipe(decoder);
  try {
    for await (const chunk of decoder) yield chunk as Uint8Array;
  } catch (error) {
    if (sourceError !== undefined) throw sourceError;
    throw invalid(reasonOf(error), error);
  } finally {
    source.destroy();
    decoder.destroy();
  }
  if (frames?.complete === false) throw invalid('unexpected end of file');
}
