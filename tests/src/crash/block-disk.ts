/** Bytes of a block: a page, the block of our file systems, and eight sectors, so that most writes are whole blocks. */
export const blockSize = 4096;

/** A block with a number of its own: two blocks of one number have the same content. */
interface Block {
  readonly id: number;
  readonly bytes: Uint8Array;
}

const zeros: Block = { id: 0, bytes: new Uint8Array(blockSize) };
let lastId = 0;
/** Whole blocks out of a log keep their number, however often and on whatever disk they are laid. */
const known = new WeakMap<ArrayBufferLike, Map<number, Block>>();

function blockOf(bytes: Uint8Array): Block {
  let ofBuffer = known.get(bytes.buffer);
  if (!ofBuffer) {
    ofBuffer = new Map();
    known.set(bytes.buffer, ofBuffer);
  }
  const found = ofBuffer.get(bytes.byteOffset);
  if (found) return found;
  const block = { id: ++lastId, bytes };
  ofBuffer.set(bytes.byteOffset, block);
  return block;
}

/** A disk that can be read. */
export interface ReadableDisk {
  readonly size: number;
  read(offset: number, length: number): Uint8Array;
  /** Numbers that stand for the content of `count` blocks, of {@link blockSize} bytes, from the block `first` on. */
  contentIds(first: number, count: number): Uint32Array;
}

/**
 * A disk in memory, empty at first, or laid over another one, which it does not change: a cheap copy. What is written
 * is not copied, so the bytes given must stay as they are.
 */
export class BlockDisk implements ReadableDisk {
  readonly #blocks = new Map<number, Block>();

  constructor(
    readonly size: number,
    private readonly base?: BlockDisk,
  ) {}

  /** A disk that begins as this one and is written on its own. This one must not be written meanwhile. */
  overlay(): BlockDisk {
    return new BlockDisk(this.size, this);
  }

  #block(number: number): Block {
    return this.#blocks.get(number) ?? (this.base ? this.base.#block(number) : zeros);
  }

  write(offset: number, data: Uint8Array): void {
    for (let at = offset; at < offset + data.length; ) {
      const number = Math.floor(at / blockSize);
      const within = at - number * blockSize;
      const length = Math.min(blockSize - within, offset + data.length - at);
      const piece = data.subarray(at - offset, at - offset + length);
      if (length === blockSize) this.#blocks.set(number, blockOf(piece));
      else {
        const bytes = new Uint8Array(this.#block(number).bytes);
        bytes.set(piece, within);
        this.#blocks.set(number, { id: ++lastId, bytes });
      }
      at += length;
    }
  }

  read(offset: number, length: number): Uint8Array {
    const first = Math.floor(offset / blockSize);
    const within = offset - first * blockSize;
    if (within + length <= blockSize) return this.#block(first).bytes.subarray(within, within + length);
    const result = new Uint8Array(length);
    for (let done = 0; done < length; ) {
      const number = Math.floor((offset + done) / blockSize);
      const start = offset + done - number * blockSize;
      const piece = this.#block(number).bytes.subarray(
        start,
        start + Math.min(blockSize - start, length - done),
      );
      result.set(piece, done);
      done += piece.length;
    }
    return result;
  }

  contentIds(first: number, count: number): Uint32Array {
    const ids = new Uint32Array(count);
    for (let index = 0; index < count; index++) ids[index] = this.#block(first + index).id;
    return ids;
  }

  /** Every block that was ever written, in the order of the disk, with those of the disk below. */
  *writtenBlocks(): Generator<{ offset: number; bytes: Uint8Array }> {
    const numbers = new Set<number>();
    for (let disk: BlockDisk | undefined = this; disk; disk = disk.base) {
      for (const number of disk.#blocks.keys()) numbers.add(number);
    }
    for (const number of [...numbers].sort((a, b) => a - b)) {
      yield { offset: number * blockSize, bytes: this.#block(number).bytes };
    }
  }
}
