/** Magic numbers of a frame and, without their last four bits, of skippable frames (RFC 8878, 3.1). */
const frameMagic = 0xfd2fb528;
const skippableMagic = 0x184d2a50;

type Part = 'magic' | 'skippable size' | 'descriptor' | 'block' | 'other';

/**
 * Follows the frames of a zstd stream from outside, without decompressing: the decoder takes a stream that ends within a
 * frame for one that ends, and says nothing of what is missing.
 */
export class ZstdFrames {
  private part: Part = 'magic';
  /** Bytes of the part that are not here yet; they are kept in `bytes`. */
  private wanted = 4;
  private readonly bytes: number[] = [];
  /** Bytes to pass over before the part begins. */
  private skip = 0;
  private hasChecksum = false;

  /** True where the stream may end: behind a frame, or in what is no frame. */
  get complete(): boolean {
    return this.part === 'other' || (this.part === 'magic' && this.bytes.length === 0 && this.skip === 0);
  }

  update(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length && this.part !== 'other'; ) {
      if (this.skip > 0) {
        const passed = Math.min(this.skip, chunk.length - at);
        this.skip -= passed;
        at += passed;
        continue;
      }
      while (this.bytes.length < this.wanted && at < chunk.length) this.bytes.push(chunk[at++] ?? 0);
      if (this.bytes.length === this.wanted) this.next(this.bytes.splice(0));
    }
  }

  private expect(part: Part, wanted: number): void {
    this.part = part;
    this.wanted = wanted;
  }

  private next(bytes: readonly number[]): void {
    // Little endian, up to four bytes.
    const value = bytes.reduceRight((sum, byte) => sum * 256 + byte, 0);
    switch (this.part) {
      case 'magic':
        if (value === frameMagic) this.expect('descriptor', 1);
        else if (value - (value % 16) === skippableMagic) this.expect('skippable size', 4);
        // The decoder says what it thinks of it.
        else this.part = 'other';
        return;
      case 'skippable size':
        this.skip = value;
        this.expect('magic', 4);
        return;
      case 'descriptor': {
        const single = (value & 0x20) !== 0;
        this.hasChecksum = (value & 0x04) !== 0;
        const sizeBytes = [single ? 1 : 0, 2, 4, 8][value >> 6] ?? 0;
        const dictionaryBytes = [0, 1, 2, 4][value & 3] ?? 0;
        this.skip = (single ? 0 : 1) + dictionaryBytes + sizeBytes;
        this.expect('block', 3);
        return;
      }
      case 'block': {
        const isRepeated = ((value >> 1) & 3) === 1;
        this.skip = isRepeated ? 1 : value >> 3;
        if ((value & 1) === 0) return;
        if (this.hasChecksum) this.skip += 4;
        this.expect('magic', 4);
      }
    }
  }
}
