import { describe, expect, test } from 'bun:test';
import { block, endMark, header, pax, read } from './fixture-tar.ts';
import { failure } from './test-content.ts';

describe('sparse files', () => {
  const data = Buffer.concat([block('A'.repeat(512)), block('B'.repeat(10))]);
  const expected = `${'\0'.repeat(1024)}${'A'.repeat(512)}${'\0'.repeat(512)}${'B'.repeat(10)}${'\0'.repeat(6)}`;
  const octal = (value: number) => `${value.toString(8).padStart(11, '0')}\0`;

  test('in the old GNU format, with a second block of extents', async () => {
    const pairs = (list: readonly (readonly [number, number])[], at: number) =>
      list.map(([offset, length], index) => [at + 24 * index, octal(offset) + octal(length)] as const);
    const more = Buffer.alloc(512);
    for (const [at, text] of pairs([[2048, 10]], 0)) more.write(text, at, 'latin1');
    const found = await read(
      header({ size: 522 }, [
        [156, 'S'],
        ...pairs(
          [
            [0, 0],
            [1024, 500],
            [1524, 12],
            [1536, 0],
          ],
          386,
        ),
        [482, '\x01'],
        [483, octal(2064)],
      ]),
      more,
      data,
      endMark,
    );
    expect(found.map(({ size, content }) => [size, content])).toEqual([[2064, expected]]);
  });

  for (const [format, records, map] of [
    [
      '0.1',
      { 'GNU.sparse.size': '2064', 'GNU.sparse.numblocks': '2', 'GNU.sparse.map': '1024,512,2048,10' },
      '',
    ],
    [
      '1.0',
      {
        'GNU.sparse.major': '1',
        'GNU.sparse.minor': '0',
        'GNU.sparse.name': 'file',
        'GNU.sparse.realsize': '2064',
      },
      '2\n1024\n512\n2048\n10\n',
    ],
  ] as const) {
    test(`in the pax format ${format}`, async () => {
      const size = 522 + (map === '' ? 0 : 512);
      const found = await read(
        pax(records),
        header({ path: 'GNUSparseFile.0/file', size }),
        map === '' ? Buffer.alloc(0) : block(map),
        data,
        header({ path: 'next' }),
        endMark,
      );
      expect(found.map(({ size, content }) => [size, content])).toEqual([
        [2064, expected],
        [0, ''],
      ]);
    });
  }

  test.each([
    ['extents that overlap', '1024,512,1030,10'],
    ['extents out of order', '1024,512,0,10'],
    ['extents behind the end', '1024,512,2060,10'],
    ['more bytes than are there', '1024,512,2048,11'],
    ['half an extent', '1024,512,2048'],
  ])('%s are refused', async (_, map) => {
    const archive = read(
      pax({ 'GNU.sparse.size': '2064', 'GNU.sparse.map': map }),
      header({ size: 522 }),
      data,
      endMark,
    );
    expect((await failure(archive))[0]).toBe('TAR_INVALID');
  });
});
