import { describe, expect, test } from 'bun:test';
import { GiB, MiB } from '@kairos/facts/size';
import fc from 'fast-check';
import { type DiskRequest, fittingDisk, minimumDiskSize, planDisk, sfdiskScript } from './disk-layout.ts';

const guids = (what: string) => `guid-of-${what}`;
const request = (rest: Partial<DiskRequest> = {}): DiskRequest => ({
  diskSize: 8 * GiB,
  slotSize: 300 * MiB,
  guids,
  ...rest,
});
const sizesOf = (wish: DiskRequest) =>
  Object.fromEntries(planDisk(wish).partitions.map((partition) => [partition.name, partition.size / MiB]));

describe('planDisk', () => {
  test('8 GiB and a slot of 300 MiB', () => {
    const plan = planDisk(request());
    expect(plan.diskGuid).toBe('guid-of-disk');
    expect(
      plan.partitions.map((p) => [
        p.number,
        p.name,
        p.label,
        p.filesystem,
        p.start / MiB,
        p.size / MiB,
        p.guid,
      ]),
    ).toEqual([
      [1, 'bios', '', 'none', 1, 1, 'guid-of-bios'],
      [2, 'efi', 'COS_GRUB', 'vfat', 2, 64, 'guid-of-efi'],
      [3, 'oem', 'COS_OEM', 'ext4', 66, 64, 'guid-of-oem'],
      [4, 'recovery', 'COS_RECOVERY', 'ext4', 130, 800, 'guid-of-recovery'],
      [5, 'state', 'COS_STATE', 'ext4', 930, 1900, 'guid-of-state'],
      [6, 'persistent', 'COS_PERSISTENT', 'ext4', 2830, 5361, 'guid-of-persistent'],
    ]);
    expect(plan.partitions[0]?.attributes).toEqual(['LegacyBIOSBootable']);
  });

  test('a small disk: state shrinks first, then recovery, then it is refused', () => {
    const usual = 2 + 1 + 64 + 64 + 800 + 1900;
    const at = (size: number) => {
      const { recovery, state, persistent } = sizesOf(request({ diskSize: size * MiB }));
      return [recovery, state, persistent];
    };
    expect(at(usual + 1024)).toEqual([800, 1900, 1024]);
    expect(at(usual + 1000)).toEqual([800, 1876, 1024]);
    expect(at(131 + 718 + 1027 + 1024)).toEqual([718, 1027, 1024]);
    expect(at(131 + 718 + 1027 + 256)).toEqual([718, 1027, 256]);
    expect(minimumDiskSize(300 * MiB)).toBe((131 + 718 + 1027 + 256) * MiB);
    expect(() => at(131 + 718 + 1027 + 255)).toThrow(
      expect.objectContaining({
        code: 'DISK_TOO_SMALL',
        exit: 'unsuitableDisk',
        details: {
          needed: 2132 * MiB,
          size: 2131 * MiB,
          partitions: {
            bios: 1 * MiB,
            efi: 64 * MiB,
            oem: 64 * MiB,
            recovery: 718 * MiB,
            state: 1027 * MiB,
            persistent: 256 * MiB,
          },
        },
        message: expect.stringContaining('2132 MiB are needed, it has 2131 MiB (bios 1 MiB, efi 64 MiB,'),
      }),
    );
  });

  test('wished sizes are taken, and raised to what is needed', () => {
    expect(
      sizesOf(request({ sizes: { efi: 10, oem: 128, recovery: 900, state: 1, persistent: 1000 } })),
    ).toEqual({
      bios: 1,
      efi: 64,
      oem: 128,
      recovery: 900,
      state: 1027,
      persistent: 1000,
    });
    expect(sizesOf(request({ sizes: { persistent: 1 } })).persistent).toBe(256);
  });

  test('a wished size does not shrink', () => {
    const diskSize = (131 + 800 + 1900 + 300) * MiB;
    expect(sizesOf(request({ diskSize, sizes: { state: 1900 } }))).toMatchObject({
      recovery: 718,
      state: 1900,
      persistent: 382,
    });
  });

  test('the rest goes last', () => {
    const plan = planDisk(
      request({ extra: [{ name: 'data', size: 100, filesystem: 'xfs', label: 'DATA' }] }),
    );
    expect(plan.partitions.slice(5).map((p) => [p.number, p.name, p.filesystem, p.label])).toEqual([
      [6, 'data', 'xfs', 'DATA'],
      [7, 'persistent', 'ext4', 'COS_PERSISTENT'],
    ]);
    const other = planDisk(
      request({
        sizes: { persistent: 512 },
        extra: [
          { name: 'data', size: 0 },
          { name: 'swap', size: 64, filesystem: 'swap' },
        ],
      }),
    );
    expect(
      other.partitions.slice(5).map((p) => [p.name, p.filesystem, p.size / MiB, p.typeGuid.slice(0, 8)]),
    ).toEqual([
      ['persistent', 'ext4', 512, '0FC63DAF'],
      ['swap', 'swap', 64, '0657FD6D'],
      ['data', 'ext4', 8192 - 2830 - 512 - 64 - 1, '0FC63DAF'],
    ]);
  });

  test.each([
    ['two rests', { extra: [{ name: 'data', size: 0 }] }, 'PARTITION_REST'],
    ['no name', { extra: [{ name: '', size: 1 }] }, 'PARTITION_UNNAMED'],
    ['a quote in a name', { extra: [{ name: 'a"b', size: 1 }] }, 'PARTITION_NAME'],
    ['a line break in a name', { extra: [{ name: 'a\nb', size: 1 }] }, 'PARTITION_NAME'],
    ['one of our names', { extra: [{ name: 'state', size: 1 }] }, 'PARTITION_NAME'],
    ['one of our labels', { extra: [{ name: 'a', size: 1, label: 'COS_STATE' }] }, 'PARTITION_LABEL'],
    ['a long label', { extra: [{ name: 'a', size: 1, label: 'x'.repeat(17) }] }, 'PARTITION_LABEL'],
    [
      'a label for swap of 16',
      { extra: [{ name: 'a', size: 1, filesystem: 'swap', label: 'x'.repeat(16) }] },
      'PARTITION_LABEL',
    ],
    [
      'an unknown file system',
      { extra: [{ name: 'a', size: 1, filesystem: 'ext5' }] },
      'PARTITION_FILESYSTEM',
    ],
    [
      'an inherited name',
      { extra: [{ name: 'a', size: 1, filesystem: 'toString' }] },
      'PARTITION_FILESYSTEM',
    ],
    ['a negative size', { sizes: { state: -1 } }, 'PARTITION_SIZE'],
    ['half a MiB', { sizes: { oem: 64.5 } }, 'PARTITION_SIZE'],
    ['a size beyond counting', { extra: [{ name: 'a', size: 2 ** 50 }] }, 'PARTITION_SIZE'],
  ])('%s is refused', (_, rest, code) => {
    expect(() => planDisk(request(rest))).toThrow(expect.objectContaining({ code, exit: 'invalidInput' }));
  });

  test('partitions lie one behind the other between the two tables', () => {
    const mebibytes = fc.integer({ min: 0, max: 4000 });
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 64 * GiB }),
        fc.integer({ min: 1, max: 4 * GiB }),
        fc.record(
          { efi: mebibytes, oem: mebibytes, recovery: mebibytes, state: mebibytes },
          { requiredKeys: [] },
        ),
        (diskSize, slotSize, sizes) => {
          const smallest = minimumDiskSize(slotSize, sizes);
          if (diskSize < smallest) {
            expect(() => planDisk({ diskSize, slotSize, sizes, guids })).toThrow(
              expect.objectContaining({ code: 'DISK_TOO_SMALL' }),
            );
            return;
          }
          const { partitions } = planDisk({ diskSize, slotSize, sizes, guids });
          let end = MiB;
          for (const partition of partitions) {
            expect(partition.start).toBe(end);
            expect(partition.size % MiB).toBe(0);
            end += partition.size;
          }
          expect(diskSize - end).toBeGreaterThanOrEqual(MiB);
          expect(diskSize - end).toBeLessThan(2 * MiB);
          const size = (name: string) => partitions.find((p) => p.name === name)?.size ?? 0;
          expect(size('state')).toBeGreaterThanOrEqual(3 * slotSize + 100 * MiB);
          expect(size('recovery')).toBeGreaterThanOrEqual(2 * slotSize + 100 * MiB);
          expect(size('persistent')).toBeGreaterThanOrEqual(256 * MiB);
        },
      ),
    );
  });

  test('a fitting disk gives every partition its wished or usual size', () => {
    const { diskSize, sizes } = fittingDisk(300 * MiB, 256, { oem: 100, state: 1 });
    expect(diskSize).toBe((2 + 1 + 64 + 100 + 800 + 1027 + 256) * MiB);
    expect(sizesOf(request({ diskSize, sizes }))).toEqual({
      bios: 1,
      efi: 64,
      oem: 100,
      recovery: 800,
      state: 1027,
      persistent: 256,
    });
  });
});

test('sfdiskScript', () => {
  expect(sfdiskScript(planDisk(request({ diskSize: 4 * GiB })))).toBe(`label: gpt
label-id: guid-of-disk

1 : start=1MiB, size=1MiB, type=21686148-6449-6E6F-744E-656564454649, uuid=guid-of-bios, name="bios", attrs="LegacyBIOSBootable"
2 : start=2MiB, size=64MiB, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, uuid=guid-of-efi, name="efi"
3 : start=66MiB, size=64MiB, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, uuid=guid-of-oem, name="oem"
4 : start=130MiB, size=800MiB, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, uuid=guid-of-recovery, name="recovery"
5 : start=930MiB, size=1900MiB, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, uuid=guid-of-state, name="state"
6 : start=2830MiB, size=1265MiB, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, uuid=guid-of-persistent, name="persistent"
`);
});
