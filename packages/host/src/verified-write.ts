import { createHash } from 'node:crypto';
import { constants, statSync } from 'node:fs';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isSystemError, KairosError } from '@kairos/facts/errors';
import { formatSize } from '@kairos/facts/size';
import { syncPath } from './files.ts';
import type { HostFiles } from './host.ts';
import { readStream, type StreamOptions, throwIfStopped } from './streams.ts';
import { addressOf, dropCacheCall } from './system-calls.ts';

/**
 * Bytes that are written, synced and read back in one go. Three such buffers and one for reading back are in memory,
 * whatever the size of the file.
 */
const maximumBlock = 3 * 1024 * 1024;
const buffers = 3;

/** Bytes after which memory that is not used any more is given back. */
const collectEvery = 32 * 1024 * 1024;

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

interface Attempt extends VerifiedWrite {
  readonly digest: string;
  readonly size: number;
}

/**
 * Writes blocks behind one another while the next is filled. Each is synced, then read back from the disk itself while
 * the one behind it is written.
 */
class BlockWriter {
  /** Blocks on their way to the disk and back, oldest first. */
  private readonly pending: Promise<void>[] = [];
  private writing: Promise<void> = Promise.resolve();
  private reading: Promise<void> = Promise.resolve();
  private failure: unknown;
  private readonly free: Buffer[] = [];
  private made = 0;
  private sinceCollection = 0;
  private readonly back: Buffer;

  constructor(
    private readonly handle: FileHandle,
    /** The same file, for reading. */
    private readonly reader: Reader,
    private readonly path: string,
    private readonly size: number,
    private readonly onReadBack: (count: number) => void,
  ) {
    this.back = alignedBuffer(roundUp(size) + sector);
  }

  /** A buffer to fill, as soon as there is one. @throws what writing an earlier block threw */
  async buffer(): Promise<Buffer> {
    for (;;) {
      if (this.failure !== undefined) throw this.failure;
      const free = this.free.pop();
      if (free !== undefined) return free;
      if (this.made < buffers) {
        this.made++;
        return Buffer.allocUnsafeSlow(this.size);
      }
      await this.pending.shift();
    }
  }

  /** Takes a filled buffer over. */
  put(buffer: Buffer, length: number, position: number): void {
    const block = buffer.subarray(0, length);
    const unlessFailed = async (work: () => Promise<void>) => {
      try {
        if (this.failure === undefined) await work();
      } catch (error) {
        this.failure ??= error;
      }
    };
    this.writing = this.writing.then(() => unlessFailed(() => this.write(block, position)));
    this.reading = Promise.all([this.writing, this.reading]).then(async () => {
      await unlessFailed(() => this.readBack(block, position));
      this.free.push(buffer);
    });
    this.pending.push(this.reading);
  }

  /** What came over a network is garbage by now, of a kind whose size the collector does not see. */
  private collect(length: number): void {
    this.sinceCollection += length;
    if (this.sinceCollection < collectEvery) return;
    this.sinceCollection = 0;
    Bun.gc(true);
  }

  private async write(block: Buffer, position: number): Promise<void> {
    for (let done = 0; done < block.length; ) {
      const { bytesWritten } = await this.handle.write(block, done, block.length - done, position + done);
      done += bytesWritten;
    }
    // A direct read brings its range to the disk itself, without a flush of the whole disk for each block.
    if (!this.reader.direct) await this.handle.datasync();
  }

  private async readBack(block: Buffer, position: number): Promise<void> {
    // The block is on the disk, so its pages can be dropped, and the read asks the disk.
    if (!this.reader.direct) dropCacheCall(this.handle.fd, position, block.length);
    // From the sector in which the block begins; what is before it was read back already.
    const start = position - (position % sector);
    const skip = position - start;
    const wanted = skip + block.length;
    let done = 0;
    while (done < wanted) {
      const { bytesRead } = await this.reader.handle.read(
        this.back,
        done,
        roundUp(wanted) - done,
        start + done,
      );
      done += bytesRead;
      // Less than was asked for and no whole sectors: the file ends there.
      if (bytesRead === 0 || bytesRead % sector !== 0) break;
    }
    if (done < wanted || !this.back.subarray(skip, wanted).equals(block)) {
      throw new KairosError(
        'READ_BACK_DIFFERS',
        `${this.path} does not read back as written, between byte ${position} and ${position + block.length}`,
        {
          exit: 'unsuitableDisk',
          hint: 'The disk is failing; replace it',
          details: { path: this.path, position, length: block.length },
        },
      );
    }
    // Nobody needs it in memory soon, and others do need the memory.
    if (this.reader.direct) dropCacheCall(this.handle.fd, position, block.length);
    this.onReadBack(block.length);
    this.collect(block.length);
  }

  /** Waits until all blocks are on the disk. @throws what writing one threw */
  async end(): Promise<void> {
    await this.reading;
    if (this.failure !== undefined) throw this.failure;
  }
}

interface Reader {
  readonly handle: FileHandle;
  /** Reads go past the memory of the kernel (O_DIRECT in open(2)), after what is dirty there was written. */
  readonly direct: boolean;
}

/** Sectors of disks; direct reading wants places, lengths and memory in multiples of it. */
const sector = 4096;
const roundUp = (size: number) => Math.ceil(size / sector) * sector;

function alignedBuffer(size: number): Buffer {
  const memory = Buffer.allocUnsafeSlow(size + sector);
  const skip = (sector - (addressOf(memory) % sector)) % sector;
  return memory.subarray(skip, skip + size);
}

/** Opens a file for reading from the disk, past the memory of the kernel where its file system can do that. */
async function openDirect(path: string): Promise<Reader> {
  try {
    return { handle: await open(path, constants.O_RDONLY | constants.O_DIRECT), direct: true };
  } catch (error) {
    if (!isSystemError(error, 'EINVAL')) throw error;
    return { handle: await open(path, 'r'), direct: false };
  }
}

async function attempt(
  files: HostFiles,
  path: string,
  expected: Expected,
  openFrom: (offset: number) => AsyncIterable<Uint8Array>,
  options: StreamOptions,
): Promise<Attempt> {
  const partial = partialPath(path, expected.digest);
  const place = files.real(partial);
  const hash = createHash('sha256');
  const resumed = partialSize(files, path, expected);
  if (resumed > 0) {
    for await (const chunk of readStream(files, partial, {
      fromDisk: true,
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    })) {
      hash.update(chunk);
    }
  }
  // What came before, such as reading the configuration, has left as much as the copy needs.
  if (expected.size - resumed > collectEvery) Bun.gc(true);
  const handle = await open(place, resumed > 0 ? 'r+' : 'w', 0o600);
  let reader: Reader | undefined;
  let at = resumed;
  try {
    reader = await openDirect(files.real(partial));
    const tell = (count: number) => options.onBytes?.(count);
    const blockSize = Math.min(maximumBlock, Math.max(1, expected.size));
    const writer = new BlockWriter(handle, reader, path, blockSize, tell);
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
          hash.update(chunk);
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
    await handle.sync();
    return { fetched: at - resumed, resumed, size: at, digest: `sha256:${hash.digest('hex')}` };
  } catch (error) {
    if (!isSystemError(error, 'ENOSPC', 'EDQUOT')) throw error;
    throw new KairosError(
      'NO_SPACE',
      `No space left for ${path}: ${formatSize(expected.size - at)} of ${formatSize(expected.size)} are missing`,
      { exit: 'noSpace', cause: error, details: { path, written: at, size: expected.size } },
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
 * @param openFrom Gives the bytes from an offset on; they need not be checked.
 * @param differs Makes the error for a source that gives something else.
 * @throws KairosError `READ_BACK_DIFFERS`, `NO_SPACE`, `INTERRUPTED`, what `differs` makes and what the source throws
 */
export async function writeVerified(
  files: HostFiles,
  path: string,
  expected: Expected,
  openFrom: (offset: number) => AsyncIterable<Uint8Array>,
  differs: (found: { readonly size: number; readonly digest: string }) => KairosError,
  options: StreamOptions = {},
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
    syncPath(dirname(files.real(path)));
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
