import { embedGrub } from '@kairos/artifacts/boot-sector';
import { type BootloaderPayload, efiSystemFiles, menuStub } from '@kairos/artifacts/bootloader-payload';
import { KairosError } from '@kairos/facts/errors';
import { formatSize } from '@kairos/facts/size';

/** GRUB for BIOS as it is on the disk. */
export interface InstalledBios {
  readonly disk: string;
  readonly partition: string;
  /** First sector (of 512 bytes) of the partition. */
  readonly startSector: number;
  /** The first sector of the disk. */
  readonly mbr: Uint8Array;
  /** The whole partition. */
  readonly content: Uint8Array;
}

/** GRUB for UEFI as it is on the disk. */
export interface InstalledEfi {
  readonly mountPoint: string;
  readonly free: number;
  read(path: string): Uint8Array | undefined;
}

export interface InstalledBootloader {
  /** Where `COS_STATE` is mounted. */
  readonly state: string;
  readonly menu: Uint8Array | undefined;
  readonly bios: InstalledBios | undefined;
  readonly efi: InstalledEfi | undefined;
}

export type BootloaderStep =
  | {
      readonly kind: 'write-file';
      readonly path: string;
      readonly mode: number;
      readonly content: Uint8Array;
    }
  | {
      readonly kind: 'write-device';
      readonly device: string;
      readonly offset: number;
      readonly content: Uint8Array;
    }
  | { readonly kind: 'replace-on-fat'; readonly path: string; readonly content: Uint8Array };

export interface BootloaderUpdate {
  readonly steps: readonly BootloaderStep[];
  /** What stays as it is although it differs, and why. */
  readonly notes: readonly string[];
}

const same = (a: Uint8Array | undefined, b: Uint8Array) =>
  a !== undefined && Buffer.from(a.buffer, a.byteOffset, a.byteLength).equals(b);

const sectorSize = 512;
/** GRUB boot.S: u64, the sector of the first sector of core.img. */
const kernelSectorOffset = 0x5c;

/**
 * core.img has two places, the halves of its partition. A new one is written to the half that is not in use, and
 * becomes the one in use by a single sector: the boot sector that points to it.
 */
function biosSteps(
  payload: NonNullable<BootloaderPayload['bios']>,
  installed: InstalledBios,
): BootloaderUpdate {
  const nothing = (...notes: string[]): BootloaderUpdate => ({ steps: [], notes });
  const { disk, partition, startSector, mbr, content } = installed;
  const half = Math.floor(content.length / sectorSize / 2) * sectorSize;
  const view = new DataView(mbr.buffer, mbr.byteOffset, mbr.byteLength);
  const current = (Number(view.getBigUint64(kernelSectorOffset, true)) - startSector) * sectorSize;
  if (current !== 0 && current !== half) {
    return nothing(`The boot sector of ${disk} does not start the GRUB of ${partition}; it stays as it is`);
  }
  const images = { bootImage: payload.bootImage, coreImage: payload.coreImage };
  const wished = embedGrub({ ...images, coreStartSector: startSector + current / sectorSize });
  const isThere =
    same(mbr.subarray(0, wished.mbrCode.length), wished.mbrCode) &&
    same(content.subarray(current, current + wished.core.length), wished.core);
  if (isThere) return nothing();
  if (wished.core.length > half || content.length < 2 * half) {
    return nothing(
      `The new GRUB for BIOS (${formatSize(wished.core.length)}) does not fit beside the old one in ${partition} (${formatSize(content.length)}); the old one stays`,
    );
  }
  const other = current === 0 ? half : 0;
  const next = embedGrub({ ...images, coreStartSector: startSector + other / sectorSize });
  return {
    notes: [],
    steps: [
      { kind: 'write-device', device: partition, offset: other, content: next.core },
      { kind: 'write-device', device: disk, offset: 0, content: next.mbrCode },
    ],
  };
}

function efiSteps(payload: NonNullable<BootloaderPayload['efi']>, installed: InstalledEfi): BootloaderUpdate {
  const loader = `EFI/BOOT/${payload.loaderName.toUpperCase()}`;
  const differing = [...efiSystemFiles(payload, menuStub('disk'))]
    .filter(([path, content]) => !same(installed.read(path), content))
    // An old shim starts a new GRUB of the same signer; a new shim may have revoked the old GRUB. So shim comes last.
    .sort(([a], [b]) => Number(a === loader) - Number(b === loader));
  const size = differing.reduce((sum, [, content]) => sum + content.length, 0);
  if (size > installed.free) {
    return {
      steps: [],
      notes: [
        `The new boot loader for UEFI needs ${formatSize(size)} on the EFI system partition, which has ${formatSize(installed.free)} left; the old one stays`,
      ],
    };
  }
  return {
    notes: [],
    steps: differing.map(([path, content]) => ({
      kind: 'replace-on-fat',
      path: `${installed.mountPoint}/${path}`,
      content,
    })),
  };
}

/**
 * What has to be written so that the disk has the boot loader of an image. It goes before the slots change places: the
 * new boot loader has to start the old system anyway, which is the fallback.
 */
export function planBootloaderUpdate(
  payload: BootloaderPayload,
  installed: InstalledBootloader,
): BootloaderUpdate {
  const steps: BootloaderStep[] = [];
  const notes: string[] = [];
  if (!same(installed.menu, payload.diskConfig)) {
    const path = `${installed.state}/grub2/grub.cfg`;
    steps.push({ kind: 'write-file', path, mode: 0o644, content: payload.diskConfig });
  }
  const parts: [string, () => BootloaderUpdate | undefined][] = [
    ['BIOS', () => payload.bios && installed.bios && biosSteps(payload.bios, installed.bios)],
    ['UEFI', () => payload.efi && installed.efi && efiSteps(payload.efi, installed.efi)],
  ];
  for (const [firmware, plan] of parts) {
    try {
      const update = plan();
      steps.push(...(update?.steps ?? []));
      notes.push(...(update?.notes ?? []));
    } catch (error) {
      // A disk that boots is worth more than a new boot loader.
      if (!(error instanceof KairosError)) throw error;
      notes.push(`The boot loader for ${firmware} stays as it is: ${error.message}`);
    }
  }
  return { steps, notes };
}
