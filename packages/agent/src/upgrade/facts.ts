import type { BootloaderPayload } from '@kairos/artifacts/bootloader-payload';
import type { Architecture } from '@kairos/facts/architecture';
import type { BootState } from '@kairos/facts/boot-state';
import { cmdlineValue } from '@kairos/facts/cmdline';
import { isSystemError, reasonOf } from '@kairos/facts/errors';
import { labels, partitionNames } from '@kairos/facts/labels';
import { paths } from '@kairos/facts/paths';
import { MiB } from '@kairos/facts/size';
import { slotFiles } from '@kairos/facts/slot';
import { diskErrors } from '@kairos/host/disk-errors';
import type { Disk } from '@kairos/host/disks';
import type { Host, HostFiles } from '@kairos/host/host';
import { digestOnDisk, readStream } from '@kairos/host/streams';
import { partialSize } from '@kairos/host/verified-write';
import type { BootForm } from '@kairos/oci/boot-form';
import {
  type BootloaderStep,
  type BootloaderUpdate,
  type InstalledBios,
  type InstalledEfi,
  planBootloaderUpdate,
} from '../boot/bootloader-update.ts';
import { readEnvironment } from '../boot/choice.ts';
import { openOem } from '../boot/environment.ts';
import type { Cleanup } from '../cleanup.ts';
import { type OpenPartition, openPartition } from '../slots/partition-access.ts';
import { damageOf, manifestDigest, readSlot, treeSize } from '../slots/view.ts';
import { readJournal } from './journal.ts';
import { discardPrefix, type SlotPlace, type SlotsFound } from './leftovers.ts';
import type { UpgradeFacts } from './plan.ts';

/** The root hash of the image that the system runs from. */
export function runningRootHash(cmdline: string): string | undefined {
  return cmdlineValue(cmdline, 'kairos.verity')?.split(':', 1)[0];
}

/** `KAIROS_FLAVOR` of the running system, or `''`. */
function runningFlavor(files: HostFiles): string {
  const text = files.readTextIfAny(paths.kairosRelease) ?? '';
  return /^KAIROS_FLAVOR=["']?([^"'\n]*)/m.exec(text)?.[1] ?? '';
}

const placeOf = (files: HostFiles, directory: string): SlotPlace => ({
  there: files.status(directory) !== undefined,
  slot: readSlot(files, directory),
});

/** The slots of a partition as they are now. */
export function findSlots(
  host: Host,
  mountPoint: string,
  slot: 'active' | 'recovery',
  bootState: BootState,
): SlotsFound {
  const { files } = host;
  const cos = `${mountPoint}/cOS`;
  return {
    mountPoint,
    bootState,
    runningRootHash: runningRootHash(files.readTextIfAny('/proc/cmdline') ?? ''),
    target: placeOf(files, `${cos}/${slot}`),
    passive: slot === 'recovery' ? { there: false, slot: undefined } : placeOf(files, `${cos}/passive`),
    transition: placeOf(files, `${cos}/transition`),
    discarded: files
      .list(cos)
      .filter((name) => name.startsWith(discardPrefix))
      .map((name) => ({
        name,
        slot: readSlot(files, `${cos}/${name}`),
        size: treeSize(files, `${cos}/${name}`),
      })),
    journal: readJournal(files, cos),
  };
}

/** The bytes of `image.json`, whose digest names the image. */
export async function imageManifestDigest(image: BootForm): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of image.open(slotFiles.manifest)) chunks.push(new Uint8Array(chunk));
  return manifestDigest(Buffer.concat(chunks));
}

/** Files of the image that a directory has already. `image.json` counts only where all others are there. */
export async function presentFiles(
  files: HostFiles,
  directory: string,
  image: BootForm,
  digest: string,
  signal: AbortSignal,
): Promise<string[]> {
  const present: string[] = [];
  const names = [...image.files.keys()].filter((name) => name !== slotFiles.manifest);
  for (const name of names) {
    const path = `${directory}/${name}`;
    const status = files.status(path);
    if (status?.kind !== 'file' || status.size !== image.files.get(name)) continue;
    try {
      const found = await digestOnDisk(files, path, { signal });
      if (found.digest === image.manifest.files[name]?.digest) present.push(name);
    } catch (error) {
      // It lies where the disk is bad, and is written anew elsewhere.
      if (!isSystemError(error, ...diskErrors)) throw error;
    }
  }
  if (present.length === names.length && readSlot(files, directory)?.digest === digest) {
    present.push(slotFiles.manifest);
  }
  return present;
}

/** Bytes that are in a directory of files of the image which are not whole. */
export function partialFiles(
  files: HostFiles,
  directory: string,
  image: BootForm,
  present: readonly string[],
): Record<string, number> {
  const found: Record<string, number> = {};
  for (const [name, expected] of Object.entries(image.manifest.files)) {
    const size = present.includes(name) ? 0 : partialSize(files, `${directory}/${name}`, expected);
    if (size > 0) found[name] = size;
  }
  return found;
}

/** Files of slots with the digest of a file of the image, as their `image.json` says; whoever copies them checks. */
function localFiles(
  files: HostFiles,
  image: BootForm,
  directories: readonly string[],
): Record<string, string> {
  const found: Record<string, string> = {};
  for (const directory of directories) {
    const slot = readSlot(files, directory);
    for (const [name, { digest, size }] of Object.entries(image.manifest.files)) {
      const path = `${directory}/${name}`;
      if (found[name] !== undefined || slot?.manifest.files[name]?.digest !== digest) continue;
      if (files.status(path)?.size === size) found[name] = path;
    }
  }
  return found;
}

/** The slots of this disk, whose files need not be fetched. The other partition is looked at if it can be. */
function slotDirectories({ host, disk, slot, place, cleanup }: GatherOptions): string[] {
  const own =
    slot === 'active'
      ? [`${place.mountPoint}/cOS/active`, `${place.mountPoint}/cOS/passive`]
      : [`${place.mountPoint}/cOS/recovery`];
  let other: OpenPartition | undefined;
  try {
    other = openPartition(host, disk, slot === 'active' ? 'recovery' : 'state', cleanup);
  } catch {
    // A partition that cannot be mounted has nothing to offer; what the upgrade itself needs is another matter.
  }
  const others = slot === 'active' ? ['recovery'] : ['active', 'passive'];
  return [...own, ...others.flatMap((name) => (other ? [`${other.mountPoint}/cOS/${name}`] : []))];
}

async function firstBytes(files: HostFiles, device: string, size: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let have = 0;
  for await (const chunk of readStream(files, device)) {
    chunks.push(new Uint8Array(chunk));
    have += chunk.length;
    if (have >= size) break;
  }
  return Buffer.concat(chunks).subarray(0, size);
}

async function installedBios(host: Host, disk: Disk): Promise<InstalledBios | undefined> {
  const partition = disk.partitions.find(({ partitionName }) => partitionName === partitionNames.bios);
  if (!partition) return undefined;
  const start = Number(
    host.files.readTextIfAny(`/sys/class/block/${partition.name}/start`)?.trim() ?? Number.NaN,
  );
  if (!Number.isSafeInteger(start)) return undefined;
  return {
    disk: disk.path,
    partition: partition.path,
    startSector: start,
    mbr: await firstBytes(host.files, disk.path, 512),
    content: await firstBytes(host.files, partition.path, Math.min(partition.size, MiB)),
  };
}

function installedEfi(host: Host, partition: OpenPartition): InstalledEfi {
  return {
    mountPoint: partition.mountPoint,
    free: host.freeSpace(host.files.real(partition.mountPoint)),
    read(path) {
      const place = `${partition.mountPoint}/${path}`;
      return host.files.exists(place) ? host.files.readBytes(place) : undefined;
    },
  };
}

export interface GatherOptions {
  readonly host: Host;
  readonly disk: Disk;
  readonly slot: 'active' | 'recovery';
  readonly bootState: BootState;
  readonly architecture: Architecture;
  readonly image: BootForm;
  readonly payload: BootloaderPayload;
  /** The partition of the slots. */
  readonly place: OpenPartition;
  readonly cleanup: Cleanup;
  readonly signal: AbortSignal;
  readonly warn: (message: string) => void;
}

/** What of the boot loader differs from the image's; writes nothing. */
export async function bootloaderFacts(
  options: Pick<GatherOptions, 'host' | 'disk' | 'payload' | 'cleanup'> & {
    readonly place: Pick<OpenPartition, 'mountPoint'>;
  },
): Promise<BootloaderUpdate & { readonly mounts: readonly string[] }> {
  const { host, disk, place, payload, cleanup } = options;
  const notes: string[] = [];
  let efi: OpenPartition | undefined;
  try {
    efi = payload.efi && openPartition(host, disk, 'efi', cleanup);
  } catch (error) {
    notes.push(`The boot loader for UEFI stays as it is: ${reasonOf(error)}`);
  }
  const menu = `${place.mountPoint}/grub2/grub.cfg`;
  const update = planBootloaderUpdate(payload, {
    state: place.mountPoint,
    menu: host.files.exists(menu) ? host.files.readBytes(menu) : undefined,
    bios: payload.bios && (await installedBios(host, disk)),
    efi: efi && installedEfi(host, efi),
  });
  const writesEfi = update.steps.some(({ kind }) => kind === 'replace-on-fat');
  return {
    steps: update.steps,
    notes: [...notes, ...update.notes],
    mounts: efi && writesEfi && !efi.writable ? [efi.mountPoint] : [],
  };
}

/** The menu on recovery, which starts it where `COS_STATE` is lost. */
function recoveryMenu({ host, place, payload }: GatherOptions): BootloaderStep[] {
  const path = `${place.mountPoint}/grub2/grub.cfg`;
  const content = payload.diskConfig;
  const there = host.files.exists(path) && Buffer.from(content).equals(host.files.readBytes(path));
  return there ? [] : [{ kind: 'write-file', path, mode: 0o644, content }];
}

/** Looks at all that an upgrade is planned from; writes nothing. */
export async function gatherUpgradeFacts(options: GatherOptions): Promise<UpgradeFacts> {
  const { host, disk, slot, bootState, image, place, cleanup, signal, warn } = options;
  const { files } = host;
  const cos = `${place.mountPoint}/cOS`;
  const found = findSlots(host, place.mountPoint, slot, bootState);
  const { target } = found;
  const digest = await imageManifestDigest(image);
  // The kernel checks what runs, block by block. What does not run, or is what is wanted, is read now.
  const runs =
    target.slot !== undefined &&
    bootState === slot &&
    target.slot.manifest.verity.rootHash === found.runningRootHash &&
    target.slot.digest !== digest;
  const damage = !target.there
    ? undefined
    : runs
      ? target.slot.whole
        ? undefined
        : 'files are missing or have another size'
      : await damageOf(files, `${cos}/${slot}`, { signal });
  const oem = slot === 'active' ? openOem(host, disk, cleanup, warn) : undefined;
  const userPath = oem ? `${oem.mountPoint}/grubenv` : `${place.mountPoint}/grub_oem_env`;
  let persistent: OpenPartition | undefined;
  try {
    persistent = openPartition(host, disk, 'persistent', cleanup);
  } catch (error) {
    warn(`The upgrade is not recorded: ${reasonOf(error)}`);
  }
  const bootloader =
    slot === 'active'
      ? await bootloaderFacts(options)
      : { steps: recoveryMenu(options), notes: [], mounts: [] };
  const present = await presentFiles(files, `${cos}/transition`, image, digest, signal);
  // What lies on this machine as a file is not fetched anyway.
  const isLocal = image.path?.(slotFiles.root) !== undefined;
  const readOnly = [oem, persistent].filter((one) => one !== undefined && !one.writable);
  return {
    ...found,
    architecture: options.architecture,
    flavor: runningFlavor(files),
    image: {
      source: image.source,
      manifestDigest: digest,
      manifest: image.manifest,
      files: image.files,
    },
    label: slot === 'recovery' ? labels.recovery : labels.state,
    free: host.freeSpace(files.real(place.mountPoint)),
    targetDamage: damage,
    transition: {
      ...found.transition,
      size: treeSize(files, `${cos}/transition`),
      present,
      partial: partialFiles(files, `${cos}/transition`, image, present),
    },
    local: isLocal ? {} : localFiles(files, image, slotDirectories(options)),
    assessment: slot === 'active' ? readEnvironment(files, `${place.mountPoint}/boot_assessment`, warn) : {},
    userEnvironment:
      slot === 'active' ? { path: userPath, variables: readEnvironment(files, userPath, warn) } : undefined,
    bootloader,
    otherMounts: [...readOnly.flatMap((one) => one?.mountPoint ?? []), ...bootloader.mounts],
    recordPath: persistent && `${persistent.mountPoint}/.kairos-state`,
  };
}
