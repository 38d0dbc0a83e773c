import { expect, test } from 'bun:test';
import { MiB } from '@kairos/facts/size';
import { directoriesOf, fatSize } from './fat.ts';

test('directories of files: parents first, each once', () => {
  expect(directoriesOf(['EFI/BOOT/a', 'EFI/debian/b', '/cOS/active/c', 'd'])).toEqual([
    'EFI',
    'EFI/BOOT',
    'EFI/debian',
    '/cOS',
    '/cOS/active',
  ]);
});

test('a FAT file system is a multiple of 4 MiB with room for the files', () => {
  const files = (...sizes: number[]) =>
    new Map(sizes.map((size, index) => [`${index}`, new Uint8Array(size)]));
  expect(fatSize(files())).toBe(4 * MiB);
  expect(fatSize(files(1, 1, 1))).toBe(4 * MiB);
  expect(fatSize(files(3.5 * MiB))).toBe(8 * MiB);
  expect(fatSize(files(5 * MiB, 1 * MiB))).toBe(8 * MiB);
});
