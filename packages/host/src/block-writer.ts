import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { isSystemError, KairosError } from '@kairos/facts/errors';
import type { ContentHash } from './content-hash.ts';
import { addressOf, dropCacheCall } from './system-calls.ts';

/** Blocks in memory: one is filled, one is written, one is read back. */
const buffers = 3;

/**
 * Writes blocks behind one another while the next is filled. Each is hashed and synced, then read back from the disk itself
 * while the one behind it is written.
 */
export class BlockWriter {
  /** Blocks on their way to the disk and back, oldest first. */
  private readonly pending: Promise<void>[] = [];
  private writing: Promise<void> = Promise.resolve();
  private reading: Promise<void> = Promise.resolve();
  private failure: unknown;
  private readonly free: Buffer[] = [];
  private made = 0;
  private readonly back: Buffer;

  constructor(
    private readonly handle: FileHandle,
    /** The same file, for reading. */
    private readonly reader: Reader,
    private readonly hash: ContentHash,
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
        return Buffer.from(new SharedArrayBuffer(this.size));
      }
      await this.pending.shift();
    }
  }

  /** Takes a filled buffer over. */
  put(buffer: Buffer, length: number, position: number): void {
    const block = buffer.subarray(0, length);
    const hashed = this.unlessFailed(() => this.hash.update(block));
    this.writing = this.writing.then(() => this.unlessFailed(() => this.write(block, position)));
    this.reading = Promise.all([this.writing, this.reading]).then(async () => {
      await this.unlessFailed(() => this.readBack(block, position));
      await hashed;
      this.free.push(buffer);
    });
    this.pending.push(this.reading);
  }

  private async unlessFailed(work: () => Promise<void>): Promise<void> {
    try {
      if (this.failure === undefined) await work();
    } catch (error) {
      this.failure ??= error;
    }
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
  }

  /** Waits until all blocks are on the disk. @throws what writing one threw */
  async end(): Promise<void> {
    await this.reading;
    if (this.failure !== undefined) throw this.failure;
  }
}

/** A file that was opened to be read back. */
export interface Reader {
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
export async function openDirect(path: string): Promise<Reader> {
  try {
    return { handle: await open(path, constants.O_RDONLY | constants.O_DIRECT), direct: true };
  } catch (error) {
    if (!isSystemError(error, 'EINVAL')) throw error;
    return { handle: await open(path, 'r'), direct: false };
  }
}
