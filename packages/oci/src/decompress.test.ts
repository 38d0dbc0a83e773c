import { expect, test } from 'bun:test';
import { constants, gzipSync, zstdCompressSync } from 'node:zlib';
import { decompress } from './decompress.ts';
import { pieces } from './fixture-tar.ts';
import { collect, failure } from './test-content.ts';

const content = Buffer.from(
  Array.from({ length: 300_000 }, (_, index) => (index * 7919 + (index >> 5)) & 255),
);
const other = Buffer.from('other');
const zstd = (bytes: Uint8Array, checksum: 0 | 1 = 0) =>
  zstdCompressSync(bytes, { params: { [constants.ZSTD_c_checksumFlag]: checksum } });
const skippable = Buffer.from('522a4d18040000006e6f7465', 'hex');
const streams: [string, Buffer, Buffer][] = [
  ['gzip', gzipSync(content), content],
  [
    'gzip of two members',
    Buffer.concat([gzipSync(content), gzipSync(other)]),
    Buffer.concat([content, other]),
  ],
  ['zstd', zstd(content), content],
  ['zstd with a checksum', zstd(content, 1), content],
  ['zstd of nothing', zstd(Buffer.alloc(0)), Buffer.alloc(0)],
  ['zstd of zeros', zstd(Buffer.alloc(300_000), 1), Buffer.alloc(300_000)],
  [
    'zstd of several frames',
    Buffer.concat([skippable, zstd(content), skippable, zstd(other, 1), skippable]),
    Buffer.concat([content, other]),
  ],
];

test.each(streams)('%s in pieces of any size', async (_, compressed, wanted) => {
  for (const size of [1, 7, 4096, compressed.length]) {
    expect(await collect(decompress(pieces(compressed, size), 'a'))).toBe(wanted.toString('latin1'));
  }
});

test.each(streams)('%s, cut', async (_, compressed) => {
  const length = compressed.length;
  // Whole frames are a whole stream: these are cuts within the last one.
  for (const cut of [1, 3, ...(length > 1000 && !compressed.subarray(-12).equals(skippable) ? [500] : [])]) {
    expect(await failure(collect(decompress(pieces(compressed.subarray(0, length - cut)), 'a')))).toEqual([
      'COMPRESSED_DATA_INVALID',
      'a cannot be decompressed: unexpected end of file',
    ]);
  }
});
