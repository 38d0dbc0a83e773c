import { statSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isSystemError, KairosError } from '@kairos/facts/errors';
import { formatSize } from '@kairos/facts/size';
import { BlockWriter, openDirect, type Reader } from './block-writer.ts';
import { contentHash } from './content-hash.ts';
import { syncPath } from './files.ts';
import type { HostFiles } from './host.ts';
import { readStream, type StreamOptions, throwIfStopped } from './streams.ts';

/**
 * Bytes that are written, synced and read back in one go. Three such buffers and one for reading back are in memory,
 * whatever the size of the file.
 */
const maximumBlock = 3 * 1024 * 1024;

/** Bytes from which on a file is worth a thread for its digest. */
const large = 16 * 1024 * 1024;

export interface Expected {
  /** Bytes. */
  readonly size: number;
  /** `sha256:` and 64 hexadecimal digits. */
  readonly digest: string;
}

export interface VerifiedWrite {
  /** Bytes that came from the source in this run. */
  readonly fetched: number;
  /** Bytes that an interrupted run had left, and that are part of the file. */
  readonly resumed: number;
}

/**
 * Where the beginning of a file is kept while it is not whole. The digest is in the name, so that what an interrupted
 * run left is continued for the same content only.
 */
export function partialPath(path: string, digest: string): string {
  return `${path}.${digest.replace(/^sha256:/, '').slice(0, 16)}.partial`;
}

/** Bytes of a file that an interrupted run has left; 0 where there are none that could be its beginning. */
export function partialSize(files: HostFiles, path: string, expected: Expected): number {
  const status = files.status(partialPath(path, expected.digest));
  return status?.kind === 'file' && status.size <= expected.size ? status.size : 0;
}

export interface VerifiedWriteOptions extends StreamOptions {
  /**
   * The caller brings the file and its name to the disk, for many at once: until then a power cut may leave none of it, as if
   * it had not been written. Its bytes were read back from the disk all the same.
   */
  readonly unsynced?: boolean;
}

interface Attempt extends VerifiedWrite {
  readonly digest: string;
  readonly size: number;
}

async function attempt(
  files: HostFiles,
  path: string,
  expected: Expected,
  openFrom: (offset: number) => AsyncIterable<Uint8Array>,
  options: VerifiedWriteOptions,
): Promise<Attempt> {
  const partial = partialPath(path, expected.digest);
  const place = files.real(partial);
  const resumed = partialSize(files, path, expected);
  using hash = contentHash(expected.size > large);
  if (resumed > 0) {
    for await (const chunk of readStream(files, partial, {
      fromDisk: true,
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    })) {
      await hash.update(chunk);
    }
  }
  const handle = await open(place, resumed > 0 ? 'r+' : 'w', 0o600);
  let reader: Reader | undefined;
  let at = resumed;
  /** Bytes that the disk gave back. */
  let back = resumed;
  try {
    reader = await openDirect(files.real(partial));
    const tell = (count: number) => options.onBytes?.(count);
    const blockSize = Math.min(maximumBlock, Math.max(1, expected.size));
    const writer = new BlockWriter(handle, reader, hash, path, blockSize, (count) => {
      back += count;
      tell(count);
    });
    let block = await writer.buffer();
    let filled = 0;
    const flush = () => {
      if (filled === 0) return;
      writer.put(block, filled, at);
      at += filled;
      filled = 0;
    };
    try {
      if (at < expected.size || expected.size === 0) {
        for await (const chunk of openFrom(at)) {
          throwIfStopped(options.signal);
          for (let done = 0; done < chunk.length; ) {
            const count = Math.min(chunk.length - done, blockSize - filled);
            block.set(chunk.subarray(done, done + count), filled);
            filled += count;
            done += count;
            if (filled === blockSize) {
              flush();
              block = await writer.buffer();
            }
          }
          tell(chunk.length);
          if (at + filled > expected.size) break;
        }
      }
      throwIfStopped(options.signal);
    } catch (error) {
      // What came so far is kept: the next run asks for the rest only.
      flush();
      await writer.end();
      throw error;
    }
    flush();
    await writer.end();
    await handle.chmod(0o644);
    if (!options.unsynced) await handle.sync();
    return { fetched: at - resumed, resumed, size: at, digest: `sha256:${await hash.digest()}` };
  } catch (error) {
    if (!isSystemError(error, 'ENOSPC', 'EDQUOT')) throw error;
    throw new KairosError(
      'NO_SPACE',
      `No space left for ${path}: ${formatSize(expected.size - back)} of ${formatSize(expected.size)} are missing`,
      { exit: 'noSpace', cause: error, details: { path, written: back, size: expected.size } },
    );
  } finally {
    await reader?.handle.close();
    await handle.close();
  }
}

/**
 * Writes a file whose size and digest are known, of any size and with bounded memory. Every byte is hashed as it comes,
 * synced, and read back from the disk, while the next ones are on their way. What an interrupted run left in
 * {@link partialPath} is read, and only the rest is asked of the source. Under `path` there is the whole file, or
 * what was there before.
 *
 * A cut connection and an interruption leave the beginning for the next run; whatever else fails leaves nothing.
 * @param openFrom Gives the bytes from an offset on; they need not be checked. A chunk is copied before the next is asked for.
 * @param differs Makes the error for a source that gives something else.
 * @throws KairosError `READ_BACK_DIFFERS`, `NO_SPACE`, `INTERRUPTED`, what `differs` makes and what the source throws
 */
export async function writeVerified(
  files: HostFiles,
  path: string,
  expected: Expected,
  openFrom: (offset: number) => AsyncIterable<Uint8Array>,
  differs: (found: { readonly size: number; readonly digest: string }) => KairosError,
  options: VerifiedWriteOptions = {},
): Promise<VerifiedWrite> {
  const partial = files.real(partialPath(path, expected.digest));
  files.makeDirectory(dirname(path));
  const right = ({ size, digest }: Attempt) => size === expected.size && digest === expected.digest;
  try {
    let result = await attempt(files, path, expected, openFrom, options);
    if (!right(result) && result.resumed > 0) {
      // A power cut may have left zeros in what was written last, although the source is right: once more, from nothing.
      const { fetched } = result;
      await rm(partial, { force: true });
      result = await attempt(files, path, expected, openFrom, options);
      result = { ...result, fetched: result.fetched + fetched };
    }
    if (!right(result)) throw differs(result);
    await rename(partial, files.real(path));
    if (!options.unsynced) syncPath(dirname(files.real(path)));
    return { fetched: result.fetched, resumed: result.resumed };
  } catch (error) {
    const keeps =
      error instanceof KairosError
        ? error.exit === 'network' || error.exit === 'interrupted'
        : statSync(partial, { throwIfNoEntry: false }) !== undefined && !isSystemError(error, 'EIO');
    if (!keeps) await rm(partial, { force: true });
    throw error;
  }
}
