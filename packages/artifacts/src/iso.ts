import { join } from 'node:path';
import { labels } from '@kairos/facts/labels';
import { MiB } from '@kairos/facts/size';
import { slotDirectory } from '@kairos/facts/slot';
import { formatGrubEnvironment } from '@kairos/host/grub-environment';
import type { Host } from '@kairos/host/host';
import type { BootForm } from '@kairos/oci/boot-form';
import { type Artifact, type ArtifactOptions, makeArtifact, type Workshop } from './artifact.ts';
import {
  type BootloaderPayload,
  efiSystemFiles,
  menuPaths,
  menuStub,
  readBootloaderPayload,
} from './bootloader-payload.ts';
import { fatSize, makeFat } from './fat.ts';
import { uuidFor, volumeIdFor } from './identifiers.ts';
import { gatheredSize, gatherSlot, slotNames, slotSize } from './slot-sources.ts';

export interface IsoOptions extends ArtifactOptions {
  readonly bootForm: BootForm;
  /** What the medium itself starts with; the system that it installs has `install.grub_options` of the cloud-config. */
  readonly medium?: MediumOptions;
}

export interface MediumOptions {
  /** Arguments for the kernel, behind those of the image. */
  readonly kernelArguments?: readonly string[];
  /** Seconds that the menu waits. Default 5. */
  readonly menuTimeout?: number;
}

/** @throws KairosError `GRUB_ENVIRONMENT_FULL`, `GRUB_VARIABLE_INVALID` */
function mediumEnvironment({ kernelArguments = [], menuTimeout }: MediumOptions): Uint8Array {
  return formatGrubEnvironment(
    {
      extra_cmdline: kernelArguments.join(' '),
      kairos_timeout: menuTimeout === undefined ? '' : String(menuTimeout),
    },
    'the menu of the medium',
  );
}

/** GPT type of an EFI system partition. */
const espType = 'C12A7328-F81F-11D2-BA4B-00A0C93EC93B';

/**
 * Arguments of `xorriso` for a hybrid ISO: El Torito for BIOS and EFI, GRUB's code in the MBR, and the EFI file system
 * once only, behind the ISO file system as a GPT partition, so that the same bytes serve as CD and as disk.
 *
 * @param files Path in the ISO and name in the working folder.
 */
export function xorrisoArguments(request: {
  readonly output: string;
  readonly label: string;
  readonly diskGuid: string;
  readonly epoch: number;
  readonly bios: boolean;
  readonly efi: boolean;
  readonly files: ReadonlyMap<string, string>;
  /** Paths in the ISO that only root may read. */
  readonly secret: readonly string[];
}): [string, ...string[]] {
  return [
    'xorriso',
    // Without the user's start files, which could change anything.
    '-no_rc',
    ...['-as', 'mkisofs', '-o', request.output, '-V', request.label, '-preparer', 'KAIROS'],
    // Level 3: files of 4 GiB and more. -f: the files of the image are links to where they lie.
    ...['-iso-level', '3', '-r', '-J', '-joliet-long', '-f', '-no-pad'],
    ...['--set_all_file_dates', `=${request.epoch}`],
    ...(request.bios
      ? [
          ...['-c', 'boot/boot.catalog', '-b', 'boot/eltorito.img', '-no-emul-boot'],
          ...['-boot-load-size', '4', '-boot-info-table', '--grub2-boot-info'],
          ...['--grub2-mbr', 'boot_hybrid.img'],
        ]
      : []),
    ...['-partition_offset', '16', '--gpt_disk_guid', request.diskGuid],
    ...(request.efi
      ? [
          ...['-append_partition', '2', espType, 'efi.img', '-appended_part_as_gpt'],
          ...(request.bios ? ['--mbr-force-bootable', '-eltorito-alt-boot'] : ['-c', 'boot/boot.catalog']),
          ...['-e', '--interval:appended_partition_2:all::', '-no-emul-boot'],
        ]
      : []),
    '-graft-points',
    ...[...request.files].map(([path, name]) => `${path}=${name}`),
    '--',
    ...request.secret.flatMap((path) => ['-chmod', '0600', path, '--']),
  ];
}

/** Small files of the ISO by path; written to the working folder first. */
function isoFiles(
  payload: BootloaderPayload,
  options: IsoOptions,
  environment: Uint8Array | undefined,
): Map<string, Uint8Array> {
  const encode = (text: string) => new TextEncoder().encode(text);
  const stub = menuStub('live');
  const files = new Map<string, Uint8Array>();
  files.set(`${menuPaths.live.directory}/grub.cfg`, payload.liveConfig);
  // GRUB as distributions sign it for CDs, and GRUB for BIOS, look here.
  files.set('/boot/grub/grub.cfg', encode(stub));
  if (environment !== undefined) files.set(`${menuPaths.live.directory}/grubenv`, environment);
  if (payload.bios !== undefined) files.set('/boot/eltorito.img', payload.bios.eltoritoImage);
  if (payload.efi !== undefined) {
    // For those who unpack an ISO onto a stick.
    for (const [path, bytes] of efiSystemFiles(payload.efi, stub)) files.set(`/${path}`, bytes);
  }
  if (options.cloudConfig !== undefined) files.set('/config.yaml', encode(options.cloudConfig));
  return files;
}

async function writeIso(
  workshop: Workshop,
  options: IsoOptions,
  payload: BootloaderPayload,
  environment: Uint8Array | undefined,
): Promise<void> {
  const { bootForm, epoch, onProgress } = options;
  const { host, folder } = workshop;
  const seed = bootForm.digest;
  const sources =
    options.workDirectory === undefined ? folder : join(options.workDirectory, `${crypto.randomUUID()}`);
  const placed = new Map<string, string>();
  try {
    await gatherSlot(host, bootForm, join(sources, 'slot'), options);
    if (sources !== folder) host.files.symlink(host.files.real(join(sources, 'slot')), join(folder, 'slot'));
    for (const name of slotNames(bootForm)) placed.set(`${slotDirectory('live')}/${name}`, `slot/${name}`);
    const small = isoFiles(payload, options, environment);
    let index = 0;
    for (const [path, bytes] of small) {
      const name = `small/${index++}`;
      host.files.write(join(folder, name), bytes);
      placed.set(path, name);
    }
    if (payload.bios !== undefined) {
      host.files.write(join(folder, 'boot_hybrid.img'), payload.bios.hybridImage);
    }
    if (payload.efi !== undefined) {
      const files = efiSystemFiles(payload.efi, menuStub('live'));
      const size = fatSize(files);
      await workshop.run(['truncate', '--size', String(size), 'efi.img']);
      const volumeId = volumeIdFor(seed, 'iso efi');
      await makeFat(workshop, { image: 'efi.img', offset: 0, size, label: 'EFI_LIVE', volumeId, files });
    }
    const total = slotSize(bootForm);
    const argv = xorrisoArguments({
      output: workshop.artifact,
      label: labels.live,
      diskGuid: uuidFor(seed, 'iso disk'),
      epoch,
      bios: payload.bios !== undefined,
      efi: payload.efi !== undefined,
      files: new Map([...placed].sort(([a], [b]) => (a < b ? -1 : 1))),
      secret: options.cloudConfig === undefined ? [] : ['/config.yaml'],
    });
    await workshop.run(argv, {
      onLine(line) {
        const percent = /UPDATE\s*:\s*([\d.]+)% done/.exec(line)?.[1];
        if (percent !== undefined)
          onProgress?.({ step: 'write', done: Math.round((total * Number(percent)) / 100), total });
      },
    });
    onProgress?.({ step: 'write', done: total, total });
  } finally {
    if (sources !== folder) host.files.remove(sources);
  }
}

/**
 * Makes an ISO from an OS image: it boots on BIOS and UEFI, from CD and from a stick. Needs no privilege and mounts
 * nothing; the same image, cloud-config and epoch give the same bytes.
 *
 * @throws KairosError `BOOTLOADER_INVALID`, `SLOT_INCOMPLETE`, `SLOT_FILE_NAME`, `GRUB_ENVIRONMENT_FULL`, what {@link makeArtifact} and
 *   {@link BootForm.open} throw
 */
export async function buildIso(host: Host, options: IsoOptions): Promise<Artifact> {
  const { bootForm } = options;
  slotNames(bootForm);
  const environment = options.medium === undefined ? undefined : mediumEnvironment(options.medium);
  const payload = await readBootloaderPayload(bootForm);
  const beside = options.workDirectory === undefined ? gatheredSize(bootForm) : 0;
  return makeArtifact(
    host,
    {
      options,
      programs: ['xorriso', 'mkfs.vfat', 'mmd', 'mcopy', 'truncate'],
      needed: slotSize(bootForm) + beside + 32 * MiB,
    },
    (workshop) => writeIso(workshop, options, payload, environment),
  );
}
