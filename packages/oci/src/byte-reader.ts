/** A stream that can pass over bytes without reading them, such as a file. */
export interface SkippingStream extends AsyncIterable<Uint8Array> {
  /** The next chunk begins `count` bytes later. */
  skip(count: number): void;
}

/** Reads an asynchronous stream of chunks by counted bytes, without copying what lies within one chunk. */
export class ByteReader {
  /** Bytes taken so far. */
  position = 0;
  private chunk: Uint8Array = new Uint8Array(0);
  private at = 0;
  private ended = false;
  private readonly iterator: AsyncIterator<Uint8Array>;

  private readonly stream: AsyncIterable<Uint8Array> | SkippingStream;

  constructor(stream: AsyncIterable<Uint8Array> | SkippingStream) {
    this.stream = stream;
    this.iterator = stream[Symbol.asyncIterator]();
  }

  /** Exactly `count` bytes if they lie in the current chunk. The fast path: no promise, no copy. */
  takeNow(count: number): Uint8Array | undefined {
    if (this.chunk.length - this.at < count) return undefined;
    const bytes = this.chunk.subarray(this.at, this.at + count);
    this.at += count;
    this.position += count;
    return bytes;
  }

  /** Between one and `limit` bytes, as many as are at hand; `undefined` at the end of the stream. */
  async some(limit: number): Promise<Uint8Array | undefined> {
    while (this.at === this.chunk.length) {
      if (this.ended) return undefined;
      const { done, value } = await this.iterator.next();
      if (done) {
        this.ended = true;
        return undefined;
      }
      this.chunk = value;
      this.at = 0;
    }
    return this.takeNow(Math.min(limit, this.chunk.length - this.at));
  }

  /** `count` bytes, fewer only where the stream ends. */
  async take(count: number): Promise<Uint8Array> {
    const now = this.takeNow(count);
    if (now !== undefined) return now;
    const bytes = new Uint8Array(count);
    let filled = 0;
    while (filled < count) {
      const part = await this.some(count - filled);
      if (part === undefined) return bytes.subarray(0, filled);
      bytes.set(part, filled);
      filled += part.length;
    }
    return bytes;
  }

  /**
   * Passes over `count` bytes; false where the stream ends before. A skipping stream tells of its end only when it is
   * read next.
   */
  async skip(count: number): Promise<boolean> {
    let left = count;
    if ('skip' in this.stream) {
      const here = Math.min(left, this.chunk.length - this.at);
      this.takeNow(here);
      left -= here;
      if (left > 0) {
        this.stream.skip(left);
        this.position += left;
      }
      return true;
    }
    while (left > 0) {
      const part = await this.some(left);
      if (part === undefined) return false;
      left -= part.length;
    }
    return true;
  }

  /** Reads the stream to its end, so that whoever checks it behind this reader comes to a verdict. */
  async drain(): Promise<void> {
    while ((await this.some(Number.MAX_SAFE_INTEGER)) !== undefined);
  }

  /** Tells the stream that nobody reads on. */
  async cancel(): Promise<void> {
    if (!this.ended) await this.iterator.return?.();
  }
}
