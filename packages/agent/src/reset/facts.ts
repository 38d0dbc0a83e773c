import type { BootloaderPayload } from '@kairos/artifacts/bootloader-payload';
import type { Architecture } from '@kairos/facts/architecture';
import type { BootState } from '@kairos/facts/boot-state';
import { KairosError, reasonOf } from '@kairos/facts/errors';
import { labels, partitionNames } from '@kairos/facts/labels';
import { paths } from '@kairos/facts/paths';
import { slotFiles } from '@kairos/facts/slot';
import type { Disk, Partition } from '@kairos/host/disks';
import type { Host } from '@kairos/host/host';
import type { BootForm } from '@kairos/oci/boot-form';
import { parse } from 'yaml';
import { assessment, readEnvironment } from '../boot/choice.ts';
import { Cleanup } from '../cleanup.ts';
import { isMapping } from '../collect-config.ts';
import { type OpenPartition, openPartition } from '../slots/partition-access.ts';
import { filesystemShare, slotSize } from '../slots/size.ts';
import { damageOf, readSlot, treeSize } from '../slots/view.ts';
import { workMounts } from '../slots/work-mounts.ts';
import { bootloaderFacts, imageManifestDigest, partialFiles, presentFiles } from '../upgrade/facts.ts';
import { journalName } from '../upgrade/journal.ts';
import { discardPrefix } from '../upgrade/leftovers.ts';
import { type ResetJournal, readResetJournal, resetJournalName } from './journal.ts';
import type { ResetFacts } from './order.ts';
import type { DataPartition, ResetFilesystem } from './partition.ts';
import type { SlotNow } from './slots.ts';

type DiskPart = 'state' | 'recovery' | 'oem' | 'persistent';

/** By its file system label; where that is damaged, by the name in the partition table. */
export function partitionByName(disk: Disk, part: DiskPart): Partition | undefined {
  const known: readonly string[] = Object.values(labels);
  return (
    disk.partitions.find(({ label }) => label === labels[part]) ??
    disk.partitions.find(
      ({ label, partitionName }) => partitionName === partitionNames[part] && !known.includes(label),
    )
  );
}

/**
 * The disk that recovery was started from.
 * @throws KairosError `NOT_INSTALLED`, `DISK_AMBIGUOUS`, `PARTITION_MISSING`
 */
export async function recoveryDisk(host: Host): Promise<{ disk: Disk; state: Partition }> {
  const disks = (await host.disks()).filter(({ partitions }) =>
    partitions.some(({ label }) => label === labels.recovery),
  );
  const booted = disks.find(({ partitions }) =>
    partitions.some(({ mountPoints }) => mountPoints.includes(paths.cosState)),
  );
  const [first, ...others] = disks;
  const disk = booted ?? first;
  if (!disk) {
    throw new KairosError('NOT_INSTALLED', `No disk has a partition labelled ${labels.recovery}`, {
      exit: 'wrongState',
      hint: 'Install the system: kairos-agent install, from a live medium',
    });
  }
  if (!booted && others.length > 0) {
    throw new KairosError(
      'DISK_AMBIGUOUS',
      `Several disks have a partition labelled ${labels.recovery}: ${disks.map(({ path }) => path).join(', ')}`,
      { exit: 'unsuitableDisk', hint: 'Detach all but the one of this system' },
    );
  }
  const state = partitionByName(disk, 'state');
  if (!state) {
    throw new KairosError(
      'PARTITION_MISSING',
      `${disk.path} has no partition labelled ${labels.state} or named ${partitionNames.state}`,
      {
        exit: 'unsuitableDisk',
        hint: 'The partition table is not that of an installed node; install anew',
      },
    );
  }
  return { disk, state };
}

/** `COS_STATE` as it can be worked on, or why it cannot. */
export type StatePlace =
  | {
      readonly device: string;
      readonly size: number;
      readonly place: OpenPartition;
      readonly damage?: undefined;
    }
  | { readonly device: string; readonly size: number; readonly place: undefined; readonly damage: string };

/** File systems that a node's partitions may have. */
const filesystems: readonly string[] = ['ext2', 'ext3', 'ext4', 'xfs', 'btrfs'];

/** e2fsck, exit codes: errors left uncorrected, operational error. */
const fsckFailed = 4 | 8;

/**
 * Opens `COS_STATE`. Unless nothing may be written, its file system is checked and mended first: all that matters on it
 * is known by digest.
 */
export async function openState(
  host: Host,
  disk: Disk,
  partition: Partition,
  options: { readonly mend: boolean; readonly cleanup: Cleanup; readonly warn: (message: string) => void },
): Promise<StatePlace> {
  const { path: device, size } = partition;
  if (partition.filesystem !== '' && !filesystems.includes(partition.filesystem)) {
    return { device, size, place: undefined, damage: `it holds ${partition.filesystem}` };
  }
  const isMounted = host.mounts().some(({ target }) => partition.mountPoints.includes(target));
  if (
    options.mend &&
    !isMounted &&
    host.which('e2fsck') !== undefined &&
    /^(ext\d)?$/.test(partition.filesystem)
  ) {
    const { code } = await host.run(['e2fsck', '-f', '-y', device], {
      okCodes: Array.from({ length: 128 }, (_, one) => one),
    });
    if (code & fsckFailed)
      return { device, size, place: undefined, damage: `e2fsck cannot mend it (${code})` };
    if (code & 1) options.warn(`The file system of ${labels.state} (${device}) had errors and was mended`);
  }
  try {
    // Mended, it has its label again, which the list of disks was read too early for.
    const filesystem = partition.filesystem || 'ext4';
    const seen = { ...partition, label: labels.state, filesystem };
    const others = disk.partitions.filter(({ path }) => path !== device);
    const place = openPartition(host, { ...disk, partitions: [seen, ...others] }, 'state', options.cleanup);
    if (place) return { device, size, place };
    return { device, size, place: undefined, damage: 'it cannot be found' };
  } catch (error) {
    return { device, size, place: undefined, damage: reasonOf(error) };
  }
}

function isMarked(host: Host, mountPoint: string, warn: (message: string) => void): boolean {
  return Boolean(readEnvironment(host.files, `${mountPoint}/boot_assessment`, warn)[assessment.reset]);
}

/** The reset that the boot loader starts again until it is done. */
export function pendingReset(
  host: Host,
  mountPoint: string,
  warn: (message: string) => void,
): ResetJournal | undefined {
  if (!isMarked(host, mountPoint, warn)) return undefined;
  return readResetJournal(host.files, `${mountPoint}/${resetJournalName}`);
}

/**
 * A partition beside the slots; its damage is a fact and no error.
 * @throws KairosError `ENCRYPTED_PARTITION`
 */
function dataPartition(
  host: Host,
  disk: Disk,
  part: 'persistent' | 'oem',
  options: { readonly erased: boolean; readonly cleanup: Cleanup },
): DataPartition | undefined {
  const partition = partitionByName(disk, part);
  if (!partition) return undefined;
  const { path: device, filesystem, mountPoints } = partition;
  if (filesystem === 'crypto_LUKS' && options.erased) {
    throw new KairosError(
      'ENCRYPTED_PARTITION',
      `${device} (${labels[part]}) is encrypted, and a reset does not know how to make it anew`,
      {
        exit: 'unsuitableDisk',
        hint: `Keep it with reset.reset-${part}: false, or install anew`,
      },
    );
  }
  const known = filesystems.includes(filesystem);
  const common = {
    ...{ device, mountPoints },
    filesystem: (known ? filesystem : 'ext4') as ResetFilesystem,
  };
  try {
    const seen = { ...partition, label: labels[part], filesystem: filesystem || 'ext4' };
    const place = openPartition(host, { ...disk, partitions: [seen] }, part, options.cleanup);
    return { ...common, damage: undefined, place: place?.mountPoint };
  } catch (error) {
    return { ...common, damage: reasonOf(error), place: undefined };
  }
}

/** `.kairos-state` of the node, which a reset carries over. */
function oldRecord(host: Host, place: string | undefined): ResetJournal['record'] {
  if (place === undefined) return null;
  try {
    const record: unknown = parse(host.files.readTextIfAny(`${place}/.kairos-state`) ?? '');
    if (!isMapping(record)) return null;
    return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, String(value ?? '')]));
  } catch {
    return null;
  }
}

async function slotNow(
  host: Host,
  directory: string,
  signal: AbortSignal,
  readsAll: (digest: string) => boolean,
): Promise<SlotNow> {
  const { files } = host;
  const there = files.status(directory) !== undefined;
  const slot = there ? readSlot(files, directory) : undefined;
  const damage = !there
    ? undefined
    : slot && !readsAll(slot.digest)
      ? slot.whole
        ? undefined
        : 'files are missing or have another size'
      : await damageOf(files, directory, { signal });
  return { there, slot, damage, size: treeSize(files, directory) };
}

export interface ResetGatherOptions {
  readonly host: Host;
  readonly disk: Disk;
  readonly state: StatePlace;
  readonly bootState: BootState;
  readonly architecture: Architecture;
  readonly image: BootForm;
  readonly payload: BootloaderPayload;
  readonly pending: ResetJournal | undefined;
  /** What is to be made anew. */
  readonly erases: { readonly persistent: boolean; readonly oem: boolean };
  readonly cleanup: Cleanup;
  readonly signal: AbortSignal;
  readonly warn: (message: string) => void;
  readonly now: Date;
}

/** Looks at all that a reset is planned from; writes nothing. */
export async function gatherResetFacts(options: ResetGatherOptions): Promise<ResetFacts> {
  const { host, disk, state, image, cleanup, signal, warn, erases } = options;
  const { files } = host;
  const mountPoint = state.place?.mountPoint ?? workMounts.state;
  const cos = `${mountPoint}/cOS`;
  const digest = await imageManifestDigest(image);
  const size = slotSize(image.files);
  const free = state.place
    ? host.freeSpace(files.real(mountPoint))
    : Math.floor(state.size * (1 - filesystemShare));
  // What is to stay is read whole; what is replaced only where there is no room for both.
  const readsAll = (slotDigest: string) => slotDigest === digest || free < 2 * size;
  const nothing: SlotNow = { there: false, slot: undefined, damage: undefined, size: 0 };
  const slot = (name: string) =>
    state.place ? slotNow(host, `${cos}/${name}`, signal, readsAll) : Promise.resolve(nothing);
  const transition = `${cos}/transition`;
  const oem = dataPartition(host, disk, 'oem', { erased: erases.oem, cleanup });
  // One that is made anew is not held open until then.
  const briefly = new Cleanup();
  const persistent = dataPartition(host, disk, 'persistent', {
    erased: erases.persistent,
    cleanup: erases.persistent ? briefly : cleanup,
  });
  const record = oldRecord(host, persistent?.place);
  for (const problem of await briefly.run()) warn(problem);
  const bootloader = await bootloaderFacts({
    ...{ host, disk, cleanup, payload: options.payload },
    place: { mountPoint },
  });
  const present = state.place ? await presentFiles(files, transition, image, digest, signal) : [];
  const environment = (path: string) => (state.place ? readEnvironment(files, path, warn) : {});
  return {
    bootState: options.bootState,
    architecture: options.architecture,
    now: options.now.toISOString(),
    image: {
      ...{ source: image.source, manifestDigest: digest, manifest: image.manifest, files: image.files },
      isLocal: image.path?.(slotFiles.root) !== undefined,
    },
    state: {
      ...{ device: state.device, mountPoint, damage: state.damage, free },
      marked: state.place !== undefined && isMarked(host, mountPoint, warn),
    },
    recovery: { mountPoint: paths.cosState, marked: isMarked(host, paths.cosState, warn) },
    active: await slot('active'),
    passive: await slot('passive'),
    transition: state.place
      ? {
          there: files.status(transition) !== undefined,
          size: treeSize(files, transition),
          present,
          partial: partialFiles(files, transition, image, present),
        }
      : { there: false, size: 0, present: [], partial: {} },
    discarded: state.place
      ? files
          .list(cos)
          .filter((name) => name.startsWith(discardPrefix))
          .map((name) => ({ name, size: treeSize(files, `${cos}/${name}`) }))
      : [],
    upgradeJournal: state.place !== undefined && files.exists(`${cos}/${journalName}`),
    pending: options.pending,
    persistent: persistent && erases.persistent ? { ...persistent, place: undefined } : persistent,
    oem:
      oem && oem.place !== undefined && !oem.mountPoints.includes(oem.place)
        ? { ...oem, mountPoints: [...oem.mountPoints, oem.place] }
        : oem,
    menuThere: state.place !== undefined && (files.status(`${mountPoint}/grub2/grub.cfg`)?.size ?? 0) > 0,
    userEnvironment: oem?.place === undefined ? {} : readEnvironment(files, `${oem.place}/grubenv`, warn),
    installationEnvironment: environment(`${mountPoint}/grub_oem_env`),
    bootloader,
    otherMounts: bootloader.mounts,
    record,
  };
}
