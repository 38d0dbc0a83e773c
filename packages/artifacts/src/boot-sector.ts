import { KairosError } from '@kairos/facts/errors';
import { MiB } from '@kairos/facts/size';

const sectorSize = 512;
/** The code of an MBR ends where the disk signature and the partition table begin. */
const codeSize = 440;
/** GRUB boot.S: u16, the address to which the first sector of core.img is loaded. */
const kernelAddressOffset = 0x5a;
const kernelAddress = 0x8000;
/** GRUB boot.S: u64, the sector of the first sector of core.img. */
const kernelSectorOffset = 0x5c;
/** GRUB boot.S: u8, the BIOS number of the boot drive; 0xff is the one that the BIOS says. */
const bootDriveOffset = 0x64;
/** GRUB boot.S: a short jump over the check that the BIOS gave a hard disk's number. */
const driveCheckOffset = 0x66;
const shortJump = 0xeb;
const nop = 0x90;
/** GRUB diskboot.S: block lists grow downwards from the end of the sector; u64 start, u16 length, u16 segment. */
const blockListOffset = sectorSize - 12;
const blockListSize = 12;
/** Paragraph at which the second sector of core.img goes. */
const blockListSegment = (kernelAddress + sectorSize) >> 4;
const partitionSectors = MiB / sectorSize;

export interface GrubBootImages {
  /** GRUB's boot.img, 512 bytes. */
  readonly bootImage: Uint8Array;
  /** core.img as `grub-mkimage -O i386-pc` makes it. */
  readonly coreImage: Uint8Array;
  /** The first sector (of 512 bytes) of the BIOS boot partition. */
  readonly coreStartSector: number;
}

export interface EmbeddedGrub {
  /** The first 440 bytes of the disk. What follows there is the partition table's and stays as it is. */
  readonly mbrCode: Uint8Array;
  /** For the start of the BIOS boot partition; whole sectors. */
  readonly core: Uint8Array;
}

function unusable(code: string, what: string): KairosError {
  return new KairosError(code, `Cannot set up GRUB for BIOS: ${what}`, {
    exit: 'corruptSource',
    hint: 'Build the OS image again; its bootloader.tar does not hold a GRUB that fits',
  });
}

/**
 * Links GRUB's boot.img and core.img to each other for a disk with a BIOS boot partition. It is what `grub-install`
 * does there, without looking at devices, so it serves files and disks alike.
 *
 * @throws KairosError `GRUB_BOOT_IMAGE`, `GRUB_CORE_IMAGE` where the images are not what they should be
 */
export function embedGrub({ bootImage, coreImage, coreStartSector }: GrubBootImages): EmbeddedGrub {
  if (!Number.isSafeInteger(coreStartSector) || coreStartSector < 34) {
    throw new RangeError(`core.img cannot lie at sector ${coreStartSector}, inside the partition table`);
  }
  if (bootImage.length !== sectorSize) {
    throw unusable('GRUB_BOOT_IMAGE', `boot.img has ${bootImage.length} bytes instead of ${sectorSize}`);
  }
  const boot = new Uint8Array(bootImage);
  const bootView = new DataView(boot.buffer);
  const jump = boot[driveCheckOffset];
  if (
    bootView.getUint16(510, true) !== 0xaa55 ||
    bootView.getUint16(kernelAddressOffset, true) !== kernelAddress ||
    (jump !== shortJump && jump !== nop)
  ) {
    throw unusable('GRUB_BOOT_IMAGE', 'boot.img is not the boot sector of GRUB 2');
  }
  const sectors = Math.ceil(coreImage.length / sectorSize);
  if (sectors < 2) throw unusable('GRUB_CORE_IMAGE', `core.img has only ${coreImage.length} bytes`);
  if (sectors > partitionSectors) {
    throw unusable(
      'GRUB_CORE_IMAGE',
      `core.img has ${coreImage.length} bytes and the BIOS boot partition ${partitionSectors * sectorSize}`,
    );
  }
  const core = new Uint8Array(sectors * sectorSize);
  core.set(coreImage);
  const coreView = new DataView(core.buffer);
  if (coreView.getUint16(blockListOffset + 10, true) !== blockListSegment) {
    throw unusable('GRUB_CORE_IMAGE', 'core.img does not begin with the disk loader of GRUB 2 (i386-pc)');
  }

  bootView.setBigUint64(kernelSectorOffset, BigInt(coreStartSector), true);
  boot[bootDriveOffset] = 0xff;
  // Some BIOSes give the number of a floppy drive for a hard disk; without the jump GRUB corrects it.
  boot[driveCheckOffset] = nop;
  boot[driveCheckOffset + 1] = nop;

  // One block for all that follows the first sector, then an empty one, which ends the list.
  coreView.setBigUint64(blockListOffset, BigInt(coreStartSector + 1), true);
  coreView.setUint16(blockListOffset + 8, sectors - 1, true);
  core.fill(0, blockListOffset - blockListSize, blockListOffset);
  return { mbrCode: boot.subarray(0, codeSize), core };
}
