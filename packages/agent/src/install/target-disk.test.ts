import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GiB, MiB } from '@kairos/facts/size';
import { directoryHost } from '@kairos/host/directory';
import type { Disk, Partition } from '@kairos/host/disks';
import { disk, partition } from '../fixture-disk.ts';
import {
  checkDisk,
  chooseDisk,
  foreignData,
  inspectDisk,
  largestDisk,
  type Signature,
} from './target-disk.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'disk-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('the largest disk', () => {
  test.each<[string, Disk[], string]>([
    ['of two', [disk('sda', GiB), disk('sdb', 2 * GiB)], '/dev/sdb'],
    ['first of equals', [disk('sdb', GiB), disk('sda', GiB)], '/dev/sda'],
    ['not a removable one', [disk('sda', GiB), disk('sdb', 9 * GiB, { removable: true })], '/dev/sda'],
    ['the only one, though removable', [disk('sdb', GiB, { removable: true })], '/dev/sdb'],
    [
      'not the live medium',
      [
        disk('sda', 9 * GiB, {
          partitions: [partition('/dev/sda1', { mountPoints: ['/run/initramfs/live'] })],
        }),
        disk('sdb', GiB),
      ],
      '/dev/sdb',
    ],
    ['not a read-only one', [disk('sda', 9 * GiB, { readOnly: true }), disk('sdb', GiB)], '/dev/sdb'],
    [
      'not memory',
      [disk('zram0', 9 * GiB), disk('mmcblk0boot0', 8 * GiB), disk('mmcblk0', GiB)],
      '/dev/mmcblk0',
    ],
    ['not a CD', [disk('sr0', 9 * GiB, { type: 'rom' }), disk('vda', GiB)], '/dev/vda'],
  ])('%s', (_, disks, path) => {
    expect(largestDisk(disks).path).toBe(path);
  });

  test('where there is none, each disk is told with its reason', () => {
    const disks = [
      disk('sda', GiB, { readOnly: true, model: 'Old' }),
      disk('sdb', GiB, { removable: true }),
      disk('sdc', GiB, { removable: true }),
    ];
    expect(() => largestDisk(disks)).toThrow(
      'There is no disk to install to\n/dev/sda (1.0 GiB, Old): read-only\n' +
        '/dev/sdb (1.0 GiB): removable, and not the only one\n/dev/sdc (1.0 GiB): removable, and not the only one',
    );
    expect(() => largestDisk([])).toThrow('the machine shows none');
  });
});

describe('a wish', () => {
  const disks = [disk('vda', GiB, { partitions: [partition('/dev/vda1')] }), disk('vdb', 2 * GiB)];
  const host = (answer = '') =>
    directoryHost(folder, {
      disks,
      run: ([name]) => (name === '/bin/pick' ? { stdout: answer } : undefined),
    });

  test.each([
    ['', '/dev/vdb'],
    ['auto', '/dev/vdb'],
    ['/dev/vda', '/dev/vda'],
    ['/dev/disk/by-id/disk', '/dev/vda'],
    ['/dev/disk/../vda', '/dev/vda'],
  ])('%j is %s', async (wish, path) => {
    mkdirSync(join(folder, 'dev/disk/by-id'), { recursive: true });
    writeFileSync(join(folder, 'dev/vda'), '');
    symlinkSync('../../vda', join(folder, 'dev/disk/by-id/disk'));
    expect((await chooseDisk(host(), wish)).path).toBe(path);
  });

  test.each([
    ['/dev/vdz', 'There is no disk /dev/vdz'],
    ['/dev/vda1', '/dev/vda1 is a partition'],
    ['/dev/disk/by-partlabel/x', 'names a partition'],
    ['script://', 'names no program'],
  ])('%s is refused', async (wish, message) => {
    await expect(chooseDisk(host(), wish)).rejects.toThrow(message);
  });

  test('a script prints the disk', async () => {
    const asked = host('/dev/vda\n');
    expect((await chooseDisk(asked, 'script:///bin/pick --by "serial number"')).path).toBe('/dev/vda');
    expect(asked.commands).toEqual([['/bin/pick', '--by', 'serial number']]);
    await expect(chooseDisk(host('two\nlines'), 'script:///bin/pick')).rejects.toThrow(
      'printed "two\\nlines"',
    );
  });
});

test('a disk is asked itself, its partitions too, those that the kernel does not know among them', async () => {
  mkdirSync(join(folder, 'sys/class/block/vda1/holders/dm-0'), { recursive: true });
  mkdirSync(join(folder, 'dev'));
  for (const name of ['vda', 'vda1']) writeFileSync(join(folder, 'dev', name), '');
  const table = {
    partitiontable: {
      sectorsize: 512,
      partitions: [
        { node: '/dev/vda1', start: 2048, size: 204800, name: 'state' },
        { node: '/dev/vda2', start: 206848, size: 2048, name: 'photos', uuid: 'U' },
      ],
    },
  };
  const host = directoryHost(folder, {
    run: ([program, , , path]) => {
      if (program === 'sfdisk') return { stdout: JSON.stringify(table) };
      return { stdout: path === '/dev/vda' ? '' : '{"signatures":[{"type":"ext4","label":null}]}' };
    },
  });
  const target = await inspectDisk(host, disk('vda', GiB, { partitions: [partition('/dev/vda1')] }));
  expect(target.disk.partitions).toEqual([
    partition('/dev/vda1', { partitionName: 'state' }),
    partition('/dev/vda2', { partitionName: 'photos', size: MiB, partitionUuid: 'U' }),
  ]);
  expect(target.signatures).toEqual([{ device: '/dev/vda1', type: 'ext4', label: '' }]);
  expect(target.holders).toEqual(['dm-0']);
  expect([...target.starts]).toEqual([
    ['/dev/vda1', MiB],
    ['/dev/vda2', 101 * MiB],
  ]);
});

const ours = [
  partition('/dev/vda1', { partitionName: 'bios' }),
  partition('/dev/vda2', { partitionName: 'state' }),
];
const halfMade = ['bios', 'efi', 'oem', 'recovery', 'state', 'persistent'].map((partitionName, index) =>
  partition(`/dev/vda${index + 1}`, { partitionName }),
);
const table: Signature = { device: '/dev/vda', type: 'gpt', label: '' };
const state: Signature = { device: '/dev/vda2', type: 'ext4', label: 'COS_STATE' };

test.each<[string, Partition[], Signature[], string[]]>([
  ['an empty disk', [], [], []],
  ['an empty table', [], [table], []],
  ['our own', ours, [table, state], []],
  [
    'a whole-disk file system',
    [],
    [{ device: '/dev/vda', type: 'xfs', label: 'data' }],
    ['/dev/vda: xfs "data"'],
  ],
  [
    'our own with a stranger',
    [...ours, partition('/dev/vda3', { partitionName: 'photos' })],
    [table, state, { device: '/dev/vda3', type: 'ext4', label: '' }],
    ['/dev/vda3 (100.0 MiB, named photos): ext4'],
  ],
  [
    'our own with an extra one of the wish',
    [...ours, partition('/dev/vda3', { partitionName: 'extra' })],
    [table, state],
    [],
  ],
  [
    'a half-made installation',
    halfMade,
    [table, { device: '/dev/vda2', type: 'vfat', label: 'COS_GRUB' }],
    [],
  ],
  [
    'a half-made installation over which someone has made a file system',
    halfMade,
    [table, { device: '/dev/vda6', type: 'ext4', label: '' }],
    ['/dev/vda6 (100.0 MiB, named persistent): ext4'],
  ],
  [
    'a stranger with names like ours',
    ours,
    [table],
    [
      '/dev/vda1 (100.0 MiB, named bios): no known file system',
      '/dev/vda2 (100.0 MiB, named state): no known file system',
    ],
  ],
])('foreign data of %s', (_, partitions, signatures, found) => {
  const target = { disk: disk('vda', GiB, { partitions }), signatures, holders: [], starts: new Map() };
  expect(foreignData(target, new Set(['extra']))).toEqual(found);
  const check = (force: boolean) => () => checkDisk(target, { force, extraNames: new Set(['extra']) });
  expect(check(true)).not.toThrow();
  if (found.length > 0)
    expect(check(false)).toThrow(expect.objectContaining({ code: 'DISK_HAS_DATA', exit: 'unsuitableDisk' }));
  else expect(check(false)).not.toThrow();
});

test.each<[string, Partial<Disk>, string[], string]>([
  ['read-only', { readOnly: true }, [], 'DISK_READ_ONLY'],
  ['mounted', { mountPoints: ['/mnt'] }, [], 'DISK_IN_USE'],
  [
    'a mounted partition',
    { partitions: [partition('/dev/vda1', { mountPoints: ['[SWAP]'] })] },
    [],
    'DISK_IN_USE',
  ],
  ['held', {}, ['dm-0'], 'DISK_IN_USE'],
])('a disk that is %s is refused even by force', (_, more, holders, code) => {
  const target = { disk: disk('vda', GiB, more), signatures: [], holders, starts: new Map() };
  expect(() => checkDisk(target, { force: true, extraNames: new Set() })).toThrow(
    expect.objectContaining({ code, exit: 'unsuitableDisk' }),
  );
});
