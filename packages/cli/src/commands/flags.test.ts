import { expect, test } from 'bun:test';
import { parseSize } from './flags.ts';

test.each([
  ['8G', 8 * 1024 ** 3],
  ['8GiB', 8 * 1024 ** 3],
  ['1.5m', 1.5 * 1024 ** 2],
  ['512', 512],
  ['2 KB', 2048],
])('%s is %d bytes', (given, bytes) => {
  expect(parseSize(given)).toBe(bytes);
});

test.each(['', 'G', '8X', '-1', '1e9'])('%j is no size', (given) => {
  expect(() => parseSize(given)).toThrow('is not a size');
});
