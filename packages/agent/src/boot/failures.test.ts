import { expect, test } from 'bun:test';
import { twoSlots } from '../fixture-two-slots.ts';
import { keepBootFailure, readBootFailures } from './failures.ts';

const { scene } = twoSlots();

test('a record is kept whatever the clock says, and ten in all', () => {
  const { files } = scene().boot('active');
  const keep = (time: string) =>
    keepBootFailure(files, {
      ...{ schemaVersion: 1, time, slot: 'active', image: null, triesLeft: 1, reasons: [], log: [] },
    });
  const times = Array.from({ length: 11 }, (_, day) => `2026-01-${day + 10}T00:00:00.000Z`);
  for (const time of times) keep(time);
  expect(readBootFailures(files).map(({ time }) => time)).toEqual(times.slice(1));
  // Without a clock of its own a machine starts long ago.
  const path = keep('1970-01-01T00:00:05.000Z');
  expect(files.exists(path)).toBe(true);
  expect(readBootFailures(files)).toHaveLength(10);
});
