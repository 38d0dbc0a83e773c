import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { BlockDisk, blockSize } from './block-disk.ts';

const size = 16 * blockSize;
const write = fc
  .record({ sector: fc.integer({ min: 0, max: size / 512 - 1 }), sectors: fc.integer({ min: 1, max: 40 }) })
  .map(({ sector, sectors }) => ({
    offset: sector * 512,
    length: Math.min(sectors * 512, size - sector * 512),
  }));

test('reads give what was written last, on the disk and on an overlay of it', () => {
  fc.assert(
    fc.property(fc.array(write), fc.array(write), (below, above) => {
      const disk = new BlockDisk(size);
      const model = Buffer.alloc(size);
      let byte = 0;
      for (const { offset, length } of below) {
        const data = Buffer.alloc(length, ++byte);
        disk.write(offset, data);
        model.set(data, offset);
      }
      const overlay = disk.overlay();
      const other = Buffer.from(model);
      for (const { offset, length } of above) {
        const data = Buffer.alloc(length, ++byte);
        overlay.write(offset, data);
        other.set(data, offset);
      }
      expect(Buffer.from(disk.read(0, size)).equals(model)).toBe(true);
      expect(Buffer.from(overlay.read(0, size)).equals(other)).toBe(true);
      const assembled = Buffer.alloc(size);
      for (const { offset, bytes } of overlay.writtenBlocks()) assembled.set(bytes, offset);
      expect(assembled.equals(other)).toBe(true);
    }),
  );
});

test('content has the same numbers where the same block of a log was laid, and only there', () => {
  const log = Buffer.alloc(3 * blockSize, 1);
  const [first, second] = [new BlockDisk(size), new BlockDisk(size)];
  first.write(0, log.subarray(0, 2 * blockSize));
  second.write(0, log.subarray(0, 2 * blockSize));
  expect(first.contentIds(0, 3)).toEqual(second.contentIds(0, 3));
  second.write(blockSize, log.subarray(2 * blockSize));
  expect(first.contentIds(1, 1)).not.toEqual(second.contentIds(1, 1));
  const before = first.contentIds(0, 1);
  first.write(512, log.subarray(0, 512));
  expect(first.contentIds(0, 1)).not.toEqual(before);
});
