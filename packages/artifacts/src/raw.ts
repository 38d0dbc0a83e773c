import { join } from 'node:path';
import { KairosError } from '@kairos/facts/errors';
import { partitionNames } from '@kairos/facts/labels';
import { MiB } from '@kairos/facts/size';
import { type SlotName, slotDirectory } from '@kairos/facts/slot';
import { formatGrubEnvironment } from '@kairos/host/grub-environment';
import type { Host } from '@kairos/host/host';
import { writeDevice } from '@kairos/host/streams';
import type { BootForm } from '@kairos/oci/boot-form';
import { type Artifact, type ArtifactOptions, makeArtifact, type Workshop } from './artifact.ts';
import { embedGrub } from './boot-sector.ts';
import {
  type BootloaderPayload,
  efiSystemFiles,
  menuPaths,
  menuStub,
  readBootloaderPayload,
} from './bootloader-payload.ts';
import { diskGrubOptions } from './cloud-config.ts';
import {
  type DiskPlan,
  fittingDisk,
  type PartitionPlan,
  type PartitionSizes,
  planDisk,
  sfdiskScript,
} from './disk-layout.ts';
import { type Ext4Request, makeExt4 } from './ext4.ts';
import { makeFat } from './fat.ts';
import { uuidFor, volumeIdFor } from './identifiers.ts';
import { gatheredSize, gatherSlot, slotNames, slotSize } from './slot-sources.ts';

export interface RawOptions extends ArtifactOptions {
  readonly bootForm: BootForm;
  /** Bytes of the disk. Default: every partition as an installation makes it, persistent with 256 MiB. */
  readonly size?: number;
  readonly sizes?: PartitionSizes;
}

/** MiB of the persistent partition where the size of the disk is ours to choose; the first boot grows it. */
const persistentSize = 256;

type Files = Ext4Request['files'];
type FileEntry = Files extends ReadonlyMap<string, infer Entry> ? Entry : never;

function partitionOf(plan: DiskPlan, name: string): PartitionPlan {
  const partition = plan.partitions.find((candidate) => candidate.name === name);
  if (partition === undefined) throw new RangeError(`the plan has no partition ${name}`);
  return partition;
}

/** The files of a partition, before they are in it. */
class Contents {
  readonly files = new Map<string, FileEntry>();
  private index = 0;

  constructor(
    private readonly workshop: Workshop,
    private readonly name: string,
  ) {}

  put(path: string, content: string | Uint8Array, mode = 0o644): this {
    const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content;
    const source = `contents/${this.name}-${this.index++}`;
    this.workshop.host.files.write(join(this.workshop.folder, source), bytes);
    this.files.set(path, { source, size: bytes.length, mode });
    return this;
  }

  slot(form: BootForm, slot: SlotName): this {
    for (const name of slotNames(form)) {
      const size = form.files.get(name) ?? 0;
      this.files.set(`${slotDirectory(slot)}/${name}`, { source: `slot/${name}`, size, mode: 0o644 });
    }
    return this;
  }
}

/** Makes the disk under the name {@link Workshop.artifact}. */
export async function writeRaw(
  workshop: Workshop,
  options: RawOptions,
  plan: DiskPlan,
  payload: BootloaderPayload,
): Promise<void> {
  const { bootForm, onProgress } = options;
  const { host, folder, artifact } = workshop;
  const seed = bootForm.digest;
  const grubOptions =
    options.cloudConfig === undefined
      ? {}
      : diskGrubOptions(options.cloudConfig, options.cloudConfigFile ?? 'cloud-config');
  const userEnvironment = formatGrubEnvironment(grubOptions, 'grub_options');
  const sources =
    options.workDirectory === undefined ? folder : join(options.workDirectory, `${crypto.randomUUID()}`);
  try {
    await gatherSlot(host, bootForm, join(sources, 'slot'), options);
    if (sources !== folder) host.files.symlink(host.files.real(join(sources, 'slot')), join(folder, 'slot'));
    await workshop.run(['truncate', '--size', String(plan.size), artifact]);
    await workshop.run(['sfdisk', '--quiet', '--no-reread', '--no-tell-kernel', artifact], {
      input: sfdiskScript(plan),
    });
    const path = join(folder, artifact);
    if (payload.bios !== undefined) {
      const { start } = partitionOf(plan, partitionNames.bios);
      const { mbrCode, core } = embedGrub({ ...payload.bios, coreStartSector: start / 512 });
      writeDevice(host.files, path, mbrCode, 0);
      writeDevice(host.files, path, core, start);
    }
    const esp = partitionOf(plan, partitionNames.esp);
    await makeFat(workshop, {
      image: artifact,
      offset: esp.start,
      size: esp.size,
      label: esp.label,
      volumeId: volumeIdFor(seed, esp.name),
      bits: 32,
      files: payload.efi === undefined ? new Map() : efiSystemFiles(payload.efi, menuStub('disk')),
    });

    const environment = formatGrubEnvironment({}, 'a new environment block');
    const oem = new Contents(workshop, partitionNames.oem).put('/grubenv', userEnvironment);
    // May hold passwords and tokens.
    if (options.cloudConfig !== undefined) oem.put('/90_custom.yaml', options.cloudConfig, 0o600);
    const state = new Contents(workshop, partitionNames.state)
      .put(`${menuPaths.disk.directory}/grub.cfg`, payload.diskConfig)
      .put('/grub_oem_env', environment)
      .put('/boot_assessment', environment)
      .slot(bootForm, 'active')
      .slot(bootForm, 'passive');
    const recovery = new Contents(workshop, partitionNames.recovery)
      .put(`${menuPaths.disk.directory}/grub.cfg`, payload.diskConfig)
      .slot(bootForm, 'recovery');
    const contents: readonly (readonly [string, Files])[] = [
      [partitionNames.oem, oem.files],
      [partitionNames.recovery, recovery.files],
      [partitionNames.state, state.files],
      [partitionNames.persistent, new Map()],
    ];
    const bytesOf = (files: Files) => [...files.values()].reduce((sum, file) => sum + file.size, 0);
    const total = contents.reduce((sum, [, files]) => sum + bytesOf(files), 0);
    let done = 0;
    for (const [name, files] of contents) {
      const { start, size, label } = partitionOf(plan, name);
      await makeExt4(workshop, {
        image: artifact,
        offset: start,
        size,
        label,
        uuid: uuidFor(seed, `${name} file system`),
        hashSeed: uuidFor(seed, `${name} directories`),
        grows: name === partitionNames.persistent,
        files,
      });
      done += bytesOf(files);
      onProgress?.({ step: 'write', done, total });
    }
  } finally {
    if (sources !== folder) host.files.remove(sources);
  }
}

/** Programs that {@link writeRaw} uses. */
export const rawPrograms = ['truncate', 'sfdisk', 'mkfs.vfat', 'mmd', 'mcopy', 'mke2fs', 'debugfs'] as const;

/** Bytes that {@link writeRaw} fills, about; the rest are holes. */
export function neededForRaw(options: RawOptions): number {
  const beside = options.workDirectory === undefined ? gatheredSize(options.bootForm) : 0;
  return 3 * slotSize(options.bootForm) + beside + 128 * MiB;
}

/** The layout of the disk that {@link buildRaw} makes. @throws KairosError `DISK_TOO_SMALL`, `DISK_SIZE` */
export function planRaw(options: RawOptions): DiskPlan {
  const { bootForm } = options;
  const slot = slotSize(bootForm);
  const fitting = fittingDisk(slot, persistentSize, options.sizes);
  const size = options.size ?? fitting.diskSize;
  if (!Number.isSafeInteger(size) || size < 0 || size % 512 !== 0) {
    throw new KairosError('DISK_SIZE', `${size} bytes is not the size of a disk`, {
      exit: 'usage',
      hint: 'Give a multiple of 512 bytes, such as 8G',
    });
  }
  return planDisk({
    diskSize: size,
    slotSize: slot,
    sizes: options.size === undefined ? fitting.sizes : (options.sizes ?? {}),
    guids: (what) => uuidFor(bootForm.digest, `${what} partition`),
  });
}

/**
 * Makes a disk that boots straight, on BIOS and UEFI: active, passive and recovery filled, the cloud-config on
 * `COS_OEM`, a small persistent partition last. The file has holes where the disk is empty. Needs no privilege and
 * mounts nothing; the same image, cloud-config, sizes and epoch give the same bytes.
 *
 * @throws KairosError `DISK_TOO_SMALL`, `DISK_SIZE`, `BOOTLOADER_INVALID`, `SLOT_INCOMPLETE`, `SLOT_FILE_NAME`,
 *   `FILESYSTEM_NOT_WRITTEN`, `VALUE_INVALID`, `TEMPLATE_NOT_RENDERED`, `GRUB_VARIABLE_INVALID`, `GRUB_ENVIRONMENT_FULL`, what {@link makeArtifact} and {@link BootForm.open} throw
 */
export async function buildRaw(host: Host, options: RawOptions): Promise<Artifact> {
  const { bootForm } = options;
  slotNames(bootForm);
  const plan = planRaw(options);
  const payload = await readBootloaderPayload(bootForm);
  return makeArtifact(
    host,
    {
      options,
      programs: rawPrograms,
      needed: neededForRaw(options),
    },
    (workshop) => writeRaw(workshop, options, plan, payload),
  );
}
