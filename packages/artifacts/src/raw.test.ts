import { expect, test } from 'bun:test';
import { GiB, MiB } from '@kairos/facts/size';
import type { BootForm } from '@kairos/oci/boot-form';
import { planRaw } from './raw.ts';

const bootForm = {
  digest: `sha256:${'0'.repeat(64)}`,
  files: new Map([
    ['root.img', 250 * MiB],
    ['vmlinuz', 50 * MiB],
  ]),
} as unknown as BootForm;
const options = { bootForm, output: '/out', epoch: 0 };
const sizesOf = (size?: number) =>
  planRaw(size === undefined ? options : { ...options, size }).partitions.map((each) => each.size / MiB);

test('made to measure, or as large as asked for', () => {
  expect(sizesOf()).toEqual([1, 64, 64, 800, 1900, 256]);
  expect(sizesOf(8 * GiB)).toEqual([1, 64, 64, 800, 1900, 5361]);
  expect(sizesOf(2200 * MiB)).toEqual([1, 64, 64, 718, 1027, 324]);
});

test('identifiers follow from the image', () => {
  const one = planRaw(options);
  expect(planRaw({ ...options, epoch: 5, output: '/other' })).toEqual(one);
  const other = { ...bootForm, digest: `sha256:${'1'.repeat(64)}` };
  expect(planRaw({ ...options, bootForm: other }).diskGuid).not.toBe(one.diskGuid);
  expect(new Set([one.diskGuid, ...one.partitions.map((each) => each.guid)]).size).toBe(7);
});

test('a size that no disk has, and one that is too small', () => {
  for (const size of [1000, -512, 0.5]) {
    expect(() => sizesOf(size)).toThrow(expect.objectContaining({ code: 'DISK_SIZE', exit: 'usage' }));
  }
  expect(() => sizesOf(1 * GiB)).toThrow(expect.objectContaining({ code: 'DISK_TOO_SMALL' }));
});
