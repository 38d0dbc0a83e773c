import { describe, expect, test } from 'bun:test';
import type { DirectoryHostOptions } from '@kairos/host/directory';
import fc from 'fast-check';
import {
  growth,
  minimumFree,
  type PartitionTable,
  parsePartitionTable,
  placePartition,
} from '../partition-table.ts';
import { type TestMachine, testMachines, told } from '../test-machine.ts';

const testMachine = testMachines();

const MiB = 1024 * 1024;
const sectors = (mebibytes: number) => (mebibytes * MiB) / 512;

/** A disk `vda` of 1 GiB with one partition from 1 MiB on. */
function machine(
  options: {
    readonly size?: number;
    readonly partition?: number;
    readonly label?: string;
  } & DirectoryHostOptions = {},
): TestMachine & { readonly inputs: string[] } {
  const { size = 1024, partition = 100, label = 'gpt' } = options;
  const inputs: string[] = [];
  const made = testMachine({
    ...options,
    run: (argv, { input }) => {
      if (typeof input === 'string' && input !== '') inputs.push(input);
      if (argv[0] === 'sfdisk' && argv[1] === '--json') {
        return {
          stdout: JSON.stringify({
            partitiontable: {
              label,
              sectorsize: 512,
              firstlba: 2048,
              lastlba: sectors(size) - 34,
              partitions: [{ node: '/dev/vda1', start: 2048, size: sectors(partition), name: 'persistent' }],
            },
          }),
        };
      }
      if (argv[0] === 'blkid') return { stdout: 'ext4\n' };
      return {};
    },
  });
  made.put('/dev/vda', '');
  made.put('/dev/vda1', '');
  made.put('/sys/devices/vda/size', `${sectors(size)}\n`);
  made.put('/sys/devices/vda/vda1/partition', '1\n');
  made.put('/sys/devices/vda/vda1/start', '2048\n');
  made.put('/sys/devices/vda/vda1/size', `${sectors(partition)}\n`);
  made.link('/sys/devices/vda', '/sys/class/block/vda');
  made.link('/sys/devices/vda/vda1', '/sys/class/block/vda1');
  made.link('../../vda1', '/dev/disk/by-label/COS_PERSISTENT');
  return { ...made, inputs };
}
const commands = (made: TestMachine) => made.host.commands.map((argv) => argv.join(' '));

describe('layout', () => {
  test('grows the last partition and the file system in it', async () => {
    const made = machine();
    const result = await made.step(
      'layout:\n  device: { label: COS_PERSISTENT }\n  expand_partition: { size: 0 }',
    );
    expect(result.problems).toEqual([]);
    expect(commands(made)).toEqual([
      'sfdisk --json /dev/vda',
      'sfdisk --no-reread --no-tell-kernel --force --relocate gpt-bak-std /dev/vda',
      'sfdisk --no-reread --no-tell-kernel --force --partno 1 /dev/vda',
      'partx --update --nr 1 /dev/vda',
      'blkid -o value -s TYPE /dev/vda1',
      'e2fsck -f -y /dev/vda1',
      'resize2fs /dev/vda1',
    ]);
    expect(made.inputs).toEqual([`start=2048, size=${sectors(1022)}\n`]);
  });

  test('runs nothing on a boot that finds no room', async () => {
    const made = machine({ partition: 1022 });
    await made.step('layout:\n  device: { label: COS_PERSISTENT }\n  expand_partition: { size: 0 }');
    expect(commands(made)).toEqual([]);
  });

  test('adds partitions behind the last, and not what is there', async () => {
    const made = machine();
    const result = await made.step(
      'layout:\n  device: { path: /dev/vda }\n  add_partitions:\n  - { pLabel: persistent, fsLabel: X, size: 5 }\n  - { pLabel: data, fsLabel: DATA, size: 64, filesystem: ext4 }\n  - { pLabel: rest, size: 0, filesystem: "-", bootable: true }\n  - { pLabel: more, size: 64 }',
    );
    expect(made.inputs).toEqual([
      `2 : start=${sectors(101)}, size=${sectors(64)}, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, name="data"\n`,
      `3 : start=${sectors(165)}, size=${sectors(858)}, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, name="rest", attrs="LegacyBIOSBootable"\n`,
    ]);
    expect(commands(made)).toContain('mkfs.ext4 -F -L DATA /dev/vda2');
    expect(told(result)).toEqual(['DISK_FULL:9']);
  });

  test('a mounted disk gets no new table', async () => {
    const made = machine({ mounts: [{ source: '/dev/vda1', target: '/oem', type: 'ext4', options: [] }] });
    expect(told(await made.step('layout: { device: { path: /dev/vda, init_disk: true } }'))).toEqual([
      'DISK_IN_USE:3',
    ]);
    expect(commands(made)).toEqual([]);
  });

  test.each([
    ['{ device: { path: /dev/none } }', 'DEVICE_UNKNOWN'],
    ['{ device: {} }', 'VALUE_MISSING'],
    ['{ device: { label: NOPE } }', 'LABEL_UNKNOWN'],
    ['{ device: { path: relative } }', 'DEVICE_INVALID'],
    ['{ device: { path: /dev/vda }, add_partitions: [{ filesystem: ntfs }] }', 'FILESYSTEM_UNKNOWN'],
    [
      '{ device: { path: /dev/vda }, add_partitions: [{ filesystem: xfs, fsLabel: thirteen_byte }] }',
      'LABEL_INVALID',
    ],
    ['{ device: { path: /dev/vda }, add_partitions: [{ pLabel: "a\\"b" }] }', 'PARTITION_NAME_INVALID'],
  ])('%s: %s', async (text, code) => {
    const made = machine();
    const result = await made.step(`layout: ${text}`);
    expect(result.problems.map((problem) => problem.code)).toEqual([code]);
    expect(made.inputs).toEqual([]);
  });

  test('only GPT', async () => {
    const made = machine({ label: 'dos' });
    const result = await made.step('layout: { device: { path: /dev/vda }, add_partitions: [{ size: 1 }] }');
    expect(told(result)).toEqual(['PARTITION_TABLE_UNSUITABLE:3']);
  });
});

test('any table: what is placed overlaps nothing and fits; what grows never shrinks', () => {
  const table = fc.record({
    size: fc.integer({ min: 40, max: 4096 }),
    parts: fc.array(fc.integer({ min: 1, max: 900 }), { maxLength: 5 }),
    wanted: fc.nat(2000),
  });
  fc.assert(
    fc.property(table, ({ size, parts, wanted }) => {
      let start = 2048;
      const partitions = parts.map((part, index) => {
        const one = { node: '', number: index + 1, start, size: sectors(part), name: '', type: '' };
        start += one.size;
        return one;
      });
      const lastSector = sectors(size) - 34;
      if (start > lastSector) return;
      const made: PartitionTable = {
        kind: 'gpt',
        sectorSize: 512,
        firstSector: 2048,
        lastSector,
        partitions,
      };
      const grown = growth(made, wanted * MiB);
      if (grown !== undefined) {
        expect(grown.size).toBeGreaterThan(grown.partition.size);
        expect(grown.partition.start + grown.size - 1).toBeLessThanOrEqual(lastSector);
      }
      try {
        const placed = placePartition(made, '/dev/x', wanted * MiB);
        expect(placed.start).toBeGreaterThanOrEqual(start);
        expect(placed.start % sectors(1)).toBe(0);
        expect(placed.start + placed.size - 1).toBeLessThanOrEqual(lastSector);
        expect(placed.size * 512).toBe(wanted === 0 ? placed.size * 512 : wanted * MiB);
      } catch (error) {
        const free = (lastSector + 1 - start) * 512;
        expect(free).toBeLessThan(Math.max(wanted * MiB, minimumFree) + MiB);
        expect(error).toMatchObject({ code: 'DISK_FULL' });
      }
    }),
  );
});

test('a disk that has grown since its table was written', () => {
  const json = JSON.stringify({ partitiontable: { label: 'gpt', lastlba: 1000, partitions: [] } });
  expect(parsePartitionTable(json, '/dev/vda', 1024 * MiB).lastSector).toBe(sectors(1024) - 34);
  expect(() => parsePartitionTable('{}', '/dev/vda', 1)).toThrow(
    'cannot read the partition table of /dev/vda',
  );
});
