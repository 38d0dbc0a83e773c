import { describe, expect, test } from 'bun:test';
import { GiB, MiB } from '@kairos/facts/size';
import { preparedDisk } from '../fixture-disk.ts';
import { partitionPath, preparedPlaces } from './places.ts';

test.each([
  ['/dev/sda', 3, '/dev/sda3'],
  ['/dev/nvme0n1', 3, '/dev/nvme0n1p3'],
  ['/dev/mmcblk0', 12, '/dev/mmcblk0p12'],
])('partition of %s %d is %s', (disk, number, path) => {
  expect(partitionPath(disk, number)).toBe(path);
});

describe('prepared partitions', () => {
  test('are found by their labels, the one of GRUB by its name', () => {
    const { partitions, disk } = preparedPlaces(preparedDisk(), 'bios', GiB / 2);
    expect(disk).toBeUndefined();
    expect(partitions.map(({ name, path, label, start }) => [name, path, label, start])).toEqual([
      ['bios', '/dev/vda1', '', 5 * MiB],
      ['efi', '/dev/vda2', 'COS_GRUB', 0],
      ['oem', '/dev/vda3', 'COS_OEM', 0],
      ['recovery', '/dev/vda4', 'COS_RECOVERY', 0],
      ['state', '/dev/vda5', 'COS_STATE', 0],
      ['persistent', '/dev/vda6', 'COS_PERSISTENT', 0],
    ]);
  });

  test.each([
    ['state', 'COS_STATE'],
    ['oem', 'COS_OEM'],
  ])('without %s are refused', (skip, label) => {
    expect(() => preparedPlaces(preparedDisk(skip), 'bios', 400 * MiB)).toThrow(`labelled ${label}`);
  });

  test('only those of the firmware have to be there', () => {
    expect(preparedPlaces(preparedDisk('efi'), 'bios', 400 * MiB).partitions).toHaveLength(5);
    expect(() => preparedPlaces(preparedDisk('efi'), 'efi', 400 * MiB)).toThrow('labelled COS_GRUB');
  });

  test('that are too small are refused', () => {
    expect(() => preparedPlaces(preparedDisk(), 'bios', 2 * GiB)).toThrow(
      expect.objectContaining({ code: 'PARTITION_TOO_SMALL' }),
    );
  });
});
