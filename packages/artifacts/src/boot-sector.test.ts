import { describe, expect, test } from 'bun:test';
import { embedGrub } from './boot-sector.ts';

/** A boot sector with the fields of GRUB's and a recognizable byte everywhere else. */
function bootImage(): Uint8Array {
  const image = new Uint8Array(512).fill(0x11);
  image.set([0x00, 0x80, 1, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfa, 0xeb, 0x05], 0x5a);
  image.set([0x55, 0xaa], 510);
  return image;
}

function coreImage(size: number): Uint8Array {
  const image = new Uint8Array(size).fill(0x22);
  image.set([2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x20, 0x08], 0x1f4);
  return image;
}

describe('embedGrub', () => {
  test('boot.img points to the partition and checks the drive', () => {
    const given = bootImage();
    const { mbrCode } = embedGrub({ bootImage: given, coreImage: coreImage(2000), coreStartSector: 0x1234 });
    const expected = bootImage().subarray(0, 440);
    expected.set([0x34, 0x12, 0, 0, 0, 0, 0, 0], 0x5c);
    expected.set([0x90, 0x90], 0x66);
    expect(mbrCode).toEqual(expected);
    expect(given).toEqual(bootImage());
  });

  test('core.img lists all its sectors but the first in one block', () => {
    const { core } = embedGrub({ bootImage: bootImage(), coreImage: coreImage(2000), coreStartSector: 2048 });
    const expected = new Uint8Array(2048);
    expected.set(coreImage(2000));
    expected.fill(0, 0x1e8, 0x1f4);
    expected.set([0x01, 0x08, 0, 0, 0, 0, 0, 0, 3, 0, 0x20, 0x08], 0x1f4);
    expect(core).toEqual(expected);
  });

  test('a partition beyond 2 TiB is reached', () => {
    const { mbrCode, core } = embedGrub({
      bootImage: bootImage(),
      coreImage: coreImage(1024),
      coreStartSector: 0x2_0000_0000,
    });
    expect([...mbrCode.subarray(0x5c, 0x64)]).toEqual([0, 0, 0, 0, 2, 0, 0, 0]);
    expect([...core.subarray(0x1f4, 0x1fe)]).toEqual([1, 0, 0, 0, 2, 0, 0, 0, 1, 0]);
  });

  test('the largest core.img fills the partition', () => {
    const { core } = embedGrub({
      bootImage: bootImage(),
      coreImage: coreImage(2 ** 20),
      coreStartSector: 2048,
    });
    expect([...core.subarray(0x1fc, 0x1fe)]).toEqual([0xff, 0x07]);
  });

  const changed = (image: Uint8Array, at: number, value: number) => {
    image[at] = value;
    return image;
  };
  test.each([
    ['a short boot.img', bootImage().subarray(0, 511), coreImage(1024), 'GRUB_BOOT_IMAGE'],
    ['no signature', changed(bootImage(), 511, 0), coreImage(1024), 'GRUB_BOOT_IMAGE'],
    ['another loader', changed(bootImage(), 0x5b, 0x7c), coreImage(1024), 'GRUB_BOOT_IMAGE'],
    ['no drive check', changed(bootImage(), 0x66, 0x11), coreImage(1024), 'GRUB_BOOT_IMAGE'],
    ['an empty core.img', bootImage(), new Uint8Array(0), 'GRUB_CORE_IMAGE'],
    ['one sector', bootImage(), coreImage(512), 'GRUB_CORE_IMAGE'],
    ['a core.img too large', bootImage(), coreImage(2 ** 20 + 1), 'GRUB_CORE_IMAGE'],
    ['another format', bootImage(), changed(coreImage(1024), 0x1ff, 0), 'GRUB_CORE_IMAGE'],
  ])('%s is refused', (_, boot, core, code) => {
    expect(() => embedGrub({ bootImage: boot, coreImage: core, coreStartSector: 2048 })).toThrow(
      expect.objectContaining({ code, exit: 'corruptSource' }),
    );
  });

  test('a start inside the partition table is a defect of the caller', () => {
    expect(() =>
      embedGrub({ bootImage: bootImage(), coreImage: coreImage(1024), coreStartSector: 33 }),
    ).toThrow(RangeError);
  });
});
