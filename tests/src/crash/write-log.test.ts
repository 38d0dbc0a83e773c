import { expect, test } from 'bun:test';
import { formatWriteLog, readWriteLog } from './write-log.ts';

const filled = (byte: number, length = 512) => Buffer.alloc(length, byte);

test('entries come back as they were laid out', () => {
  const log = readWriteLog(
    formatWriteLog([
      { offset: 1024, data: filled(1, 1024) },
      { flags: ['flush'] },
      { offset: 512, data: filled(2), flags: ['fua'] },
      { offset: 4096, length: 8192, flags: ['discard'] },
      { data: Buffer.from('before the exchange'), flags: ['mark'] },
      { offset: 0, data: filled(3), flags: ['flush', 'fua'] },
    ]),
  );
  expect([log.sectorSize, log.count]).toEqual([512, 6]);
  expect(
    [...log.entries()].map(({ index, flush, fua, discard, mark, offset, length, data }) => [
      ...[index, flush, fua, discard, mark, offset, length, data.length, data[0]],
    ]),
  ).toEqual([
    [0, false, false, false, undefined, 1024, 1024, 1024, 1],
    [1, true, false, false, undefined, 0, 0, 0, undefined],
    [2, false, true, false, undefined, 512, 512, 512, 2],
    [3, false, false, true, undefined, 4096, 8192, 0, undefined],
    [4, false, false, false, 'before the exchange', 0, 0, 0, undefined],
    [5, true, true, false, undefined, 0, 512, 512, 3],
  ]);
});

test('sectors of 4096 bytes', () => {
  const log = readWriteLog(formatWriteLog([{ offset: 8192, data: filled(7, 4096) }], 4096));
  expect([...log.entries()][0]).toMatchObject({ offset: 8192, length: 4096 });
});

test('what QEMU has not counted yet is left out', () => {
  const bytes = Buffer.from(formatWriteLog([{ data: filled(1) }, { data: filled(2) }]));
  bytes.writeBigUInt64LE(1n, 16);
  expect([...readWriteLog(bytes).entries()].map(({ data }) => data[0])).toEqual([1]);
});

test('a log that is none, or that ends too early, is refused', () => {
  const good = Buffer.from(formatWriteLog([{ data: filled(1) }, { offset: 512, data: filled(2) }]));
  expect(() => readWriteLog(Buffer.alloc(4096))).toThrow('not a log of writes');
  expect(() => [...readWriteLog(good.subarray(0, good.length - 1)).entries()]).toThrow(
    'the log ends within entry 1 of 2',
  );
  expect(() => [...readWriteLog(good.subarray(0, 1536)).entries()]).toThrow(
    'the log ends before entry 1 of 2',
  );
  const odd = Buffer.from(good);
  odd.writeUInt32LE(500, 24);
  expect(() => readWriteLog(odd)).toThrow('sectors of 500 bytes');
});
