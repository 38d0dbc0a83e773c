import { afterEach, beforeEach, expect, test } from 'bun:test';
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type DirectoryHost, directoryHost } from '@kairos/host/directory';
import { growthOf, growVolume } from './grow-volume.ts';
import { testFolder } from './test-folder.ts';

const MiB = 2048; // sectors
let folder: string;
beforeEach(() => {
  folder = testFolder('grow');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A disk `vda` with partitions of the given start and size, in sectors. */
function machine(
  diskSize: number,
  partitions: Readonly<Record<number, readonly [number, number]>>,
  failing = '',
): DirectoryHost {
  const disk = join(folder, 'sys/devices/pci/vda');
  mkdirSync(disk, { recursive: true });
  mkdirSync(join(folder, 'sys/class/block'), { recursive: true });
  writeFileSync(join(disk, 'size'), `${diskSize}\n`);
  symlinkSync('../../devices/pci/vda', join(folder, 'sys/class/block/vda'));
  for (const [number, [start, size]] of Object.entries(partitions)) {
    const partition = join(disk, `vda${number}`);
    mkdirSync(partition);
    for (const [name, value] of Object.entries({ partition: number, start, size })) {
      writeFileSync(join(partition, name), `${value}\n`);
    }
    symlinkSync(`../../devices/pci/vda/vda${number}`, join(folder, `sys/class/block/vda${number}`));
  }
  const host = directoryHost(folder, { run: ([name]) => (name === failing ? { code: 1 } : {}) });
  host.files.makeDirectory('/usr/local');
  return host;
}
const device = (type = 'ext4') => ({
  path: '/dev/vda6',
  type,
  label: 'COS_PERSISTENT',
  uuid: '',
  partitionName: '',
  partitionUuid: '',
});
const growth = [
  'sfdisk --no-reread --no-tell-kernel --quiet -N 6 /dev/vda',
  'partx --update --nr 6 /dev/vda',
];
const said = (host: DirectoryHost) => host.commands.map((argv) => argv.join(' '));

test('a partition at the end of a full disk costs no process', async () => {
  const host = machine(1000 * MiB, { 5: [MiB, 99 * MiB], 6: [100 * MiB, 899 * MiB] });
  expect(await growVolume(host, device(), '/usr/local')).toBeUndefined();
  expect(host.commands).toEqual([]);
});

test('a partition of a raw image takes the rest of the disk', async () => {
  const host = machine(1000 * MiB, { 5: [MiB, 99 * MiB], 6: [100 * MiB, 100 * MiB] });
  expect(await growVolume(host, device(), '/usr/local')).toBe('grew /dev/vda6 by 800.0 MiB');
  expect(said(host)).toEqual([...growth, 'resize2fs /dev/vda6']);
  expect(host.files.list('/usr/local')).toEqual([]);
});

test('only up to the next partition', () => {
  const host = machine(1000 * MiB, { 1: [600 * MiB, MiB], 2: [500 * MiB, MiB], 6: [100 * MiB, 100 * MiB] });
  expect(growthOf(host, 'vda6')).toEqual({ disk: 'vda', number: 6, free: 300 * 1024 * 1024 });
});

test.each([
  ['xfs', 'xfs_growfs /usr/local'],
  ['btrfs', 'btrfs filesystem resize max /usr/local'],
])('%s', async (type, command) => {
  const host = machine(1000 * MiB, { 6: [MiB, 100 * MiB] });
  await growVolume(host, device(type), '/usr/local');
  expect(said(host).at(-1)).toBe(command);
});

test('a file system that cannot grow is told before the partition is touched', async () => {
  const host = machine(1000 * MiB, { 6: [MiB, 100 * MiB] });
  await expect(growVolume(host, device('vfat'), '/usr/local')).rejects.toThrow('no known way to resize vfat');
  expect(host.commands).toEqual([]);
});

test('what a power cut left undone is made up for', async () => {
  const host = machine(1000 * MiB, { 6: [MiB, 100 * MiB] }, 'resize2fs');
  await expect(growVolume(host, device(), '/usr/local')).rejects.toThrow('resize2fs');
  expect(host.files.list('/usr/local')).toEqual(['.kairos-growing']);
  rmSync(join(folder, 'sys'), { recursive: true });
  const next = machine(1000 * MiB, { 6: [MiB, 999 * MiB] });
  expect(await growVolume(next, device(), '/usr/local')).toBe('finished growing /dev/vda6');
  expect(said(next)).toEqual(['resize2fs /dev/vda6']);
  expect(next.files.list('/usr/local')).toEqual([]);
});

test('what is not a partition is left alone', () => {
  const host = machine(1000 * MiB, { 6: [MiB, 100 * MiB] });
  expect(growthOf(host, 'vda')).toBeUndefined();
  expect(growthOf(host, 'dm-0')).toBeUndefined();
});
