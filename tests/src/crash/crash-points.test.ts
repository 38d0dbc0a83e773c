import { expect, test } from 'bun:test';
import { BlockDisk } from './block-disk.ts';
import { type CrashPoint, randomFrom, sampleSurvivors, walk } from './crash-points.ts';
import { formatWriteLog, readWriteLog } from './write-log.ts';

const filled = (byte: number, length = 512) => Buffer.alloc(length, byte);
const size = 64 * 512;

/** The first byte of each sector. */
const sectors = (disk: BlockDisk, count: number) =>
  Array.from({ length: count }, (_, index) => disk.read(index * 512, 1)[0]);

test('at a flush exactly what was written before it is there', () => {
  const entries = readWriteLog(
    formatWriteLog([
      { offset: 0, data: filled(1) },
      { offset: 512, data: filled(2) },
      { flags: ['flush'] },
      { data: Buffer.from('second'), flags: ['mark'] },
      { offset: 0, data: filled(3) },
      // Flushes what came before, and is itself not covered.
      { offset: 1024, data: filled(4), flags: ['flush'] },
      { offset: 512, length: 512, flags: ['discard'] },
      { flags: ['flush'] },
    ]),
  ).entries();
  const seen: unknown[] = [];
  const windows: unknown[] = [];
  const disk = new BlockDisk(size);
  walk(disk, entries, {
    onFlush: (now, { entry, phase }) => seen.push([entry, phase, sectors(now, 3)]),
    onWindow: (now, { pending }) => windows.push([sectors(now, 3), pending.map(({ index }) => index)]),
  });
  expect(seen).toEqual([
    [2, '', [1, 2, 0]],
    [5, 'second', [3, 2, 0]],
    [7, 'second', [3, 0, 4]],
  ]);
  expect(windows).toEqual([
    [
      [0, 0, 0],
      [0, 1],
    ],
    [[1, 2, 0], [4]],
    [
      [3, 2, 0],
      [5, 6],
    ],
  ]);
});

test('what comes after the last flush is laid at the end', () => {
  const disk = new BlockDisk(size);
  let end: unknown;
  walk(disk, readWriteLog(formatWriteLog([{ offset: 0, data: filled(9) }])).entries(), {
    onEnd: (now) => {
      end = sectors(now, 1);
    },
  });
  expect(end).toEqual([9]);
});

function pendingOf(...entries: Parameters<typeof formatWriteLog>[0]) {
  let point: CrashPoint | undefined;
  const log = readWriteLog(formatWriteLog([...entries, { flags: ['flush'] }]));
  walk(new BlockDisk(size), log.entries(), {
    onWindow: (_, now) => {
      point = now;
    },
  });
  return point?.pending ?? [];
}

test('survivors: any subset in order, torn at sectors; FUA always; the same for the same seed', () => {
  const pending = pendingOf(
    { offset: 0, data: filled(1, 4096) },
    { offset: 8192, data: filled(2, 4096), flags: ['fua'] },
    { offset: 512, data: filled(3) },
  );
  const shapes = new Set<string>();
  for (let seed = 0; seed < 2000; seed++) {
    const sample = sampleSurvivors(pending, randomFrom(seed));
    expect(sampleSurvivors(pending, randomFrom(seed))).toEqual(sample);
    expect(sample.map(({ entry }) => entry.index)).toEqual(
      sample.map(({ entry }) => entry.index).sort((a, b) => a - b),
    );
    const lengths = pending.map(
      ({ index }) => sample.find(({ entry }) => entry.index === index)?.length ?? 0,
    );
    expect(lengths[1]).toBe(4096);
    expect(lengths.every((length) => length % 512 === 0)).toBe(true);
    shapes.add(lengths.join());
  }
  // Eight ways to tear the first write, or none of it; the third there or not.
  expect(shapes.size).toBe(9 * 2);
});
