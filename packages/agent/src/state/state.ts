import { type BootState, bootStateNames, bootStateOf } from '@kairos/facts/boot-state';
import { trialWord } from '@kairos/facts/boot-trace';
import { cmdlineValue, cmdlineWords } from '@kairos/facts/cmdline';
import { labels } from '@kairos/facts/labels';
import { paths } from '@kairos/facts/paths';
import { type SlotName, slotDirectory, slotFiles } from '@kairos/facts/slot';
import type { Disk, Partition } from '@kairos/host/disks';
import type { Host } from '@kairos/host/host';
import type { Mount } from '@kairos/host/mount-table';
import { assessment, type BootEnvironment, nextBoot, readEnvironment } from '../boot/choice.ts';
import { type BootFailure, readBootFailures } from '../boot/failures.ts';
import { type ExtensionOutcome, readExtensionRecords } from '../extensions/record.ts';
import { readableText } from '../read-record.ts';
import { type ResetJournal, readResetJournal, resetJournalName, resetStatusPath } from '../reset/journal.ts';
import { judgeReset, type ResetStatus, resetMarks } from '../reset/status.ts';
import type { SlotPlaces } from '../slots/places.ts';
import { manifestDigest, readSlot } from '../slots/view.ts';
import { readStageRecords } from '../stages/record.ts';
import { type PersistentState, readPersistentState } from './persistent-state.ts';

/** A partition in the words that `state` has always had. */
export interface PartitionState {
  readonly mounted: boolean;
  /** Path of the device. */
  readonly name: string;
  /** Partition name in the partition table. */
  readonly label: string;
  readonly filesystemlabel: string;
  readonly mount_point: string;
  readonly size_bytes: number;
  readonly type: string;
  readonly read_only: boolean;
  readonly found: boolean;
  readonly uuid: string;
}

export interface SlotState {
  readonly name: string;
  readonly version: string;
  readonly kernel: string;
  /** Digest of `image.json`, which names the digests of all other files. */
  readonly digest: string;
  /** Digest of the root image. */
  readonly root: string;
  /**
   * - `good`: nothing speaks against it.
   * - `on trial`: new, and has not proven itself yet; `tries_left` starts are left to it.
   * - `failed`: it did not.
   * - `damaged`: files are missing or have another size.
   */
  readonly status: 'good' | 'on trial' | 'failed' | 'damaged';
  readonly tries_left?: number;
}

export interface BootReportState {
  readonly outcome: string;
  /** Steps of the boot that failed or did a part only, as the report has them. */
  readonly failed: readonly unknown[];
  /** Errors and warnings of the stages since the boot, with the file and line of the cloud-config. */
  readonly stages: readonly unknown[];
  /** What became of the extensions that are enabled for this start; missing where there are none. */
  readonly extensions?: readonly ExtensionOutcome[];
}

export interface ResetState {
  readonly status: ResetStatus['status'];
  readonly text: string;
  /** RFC 3339; `null` for one that was chosen and did not begin. */
  readonly started: string | null;
  readonly finished: string | null;
  /** Partitions that were made anew. */
  readonly erased: readonly string[];
  readonly tries_left?: number;
  /** Why it stopped. */
  readonly failure: ResetJournal['failure'];
}

/** What a node is and how it was booted; keys in the spelling that people's scripts use. */
export interface NodeState {
  readonly uuid: string;
  readonly persistent: PartitionState;
  readonly recovery: PartitionState;
  readonly oem: PartitionState;
  readonly state: PartitionState;
  readonly encrypted_partitions: readonly string[];
  readonly boot: string;
  readonly in_ram: boolean;
  readonly system: {
    readonly os: { readonly name: string; readonly vendor: string; readonly version: string };
    readonly kernel: { readonly release: string; readonly version: string };
  };
  readonly kairos: {
    readonly flavor: string;
    readonly version: string;
    readonly init: string;
    readonly secureboot: boolean;
  };
  readonly slots: Readonly<Partial<Record<SlotName, SlotState>>>;
  /** Partitions with slots that could not be looked into, and why. */
  readonly unread?: readonly string[];
  readonly boot_report?: BootReportState;
  /** What became of the last reset, where that is known. */
  readonly reset?: ResetState;
  /** What the boot loader starts next, and after that should it not start. */
  readonly next_boot?: { readonly entries: readonly string[]; readonly reason: string };
  /** The node runs from its fallback because the active system failed. */
  readonly upgrade_failure: boolean;
  /** Boots that did not prove good, oldest first. */
  readonly boot_failures: readonly BootFailure[];
  /** Which image the persistent state belongs to, and what its merge left to decide; docs/state.md. */
  readonly persistent_state?: PersistentState;
}

const absent: PartitionState = {
  ...{ mounted: false, name: '', label: '', filesystemlabel: '', mount_point: '', size_bytes: 0 },
  ...{ type: '', read_only: false, found: false, uuid: '' },
};

/** Where a partition is expected; binds of directories in it count for less. */
const homes: Readonly<Record<string, readonly string[]>> = {
  [labels.oem]: [paths.oem],
  [labels.persistent]: [paths.persistent],
  [labels.state]: [paths.cosState],
  [labels.recovery]: [paths.cosState, '/run/cos/recovery'],
};

function partitionState(disks: readonly Disk[], mounts: readonly Mount[], label: string): PartitionState {
  const all = disks.flatMap((disk): Partition[] => [...disk.partitions]);
  const partition = all.find((one) => one.label === label);
  if (!partition) return absent;
  const home = homes[label]?.find((target) => partition.mountPoints.includes(target));
  const target = home ?? partition.mountPoints[0] ?? '';
  const mount = mounts.findLast((one) => one.target === target);
  return {
    mounted: target !== '',
    name: partition.path,
    label: partition.partitionName,
    filesystemlabel: partition.label,
    mount_point: target,
    size_bytes: partition.size,
    type: partition.filesystem,
    read_only: mount?.options.includes('ro') ?? false,
    found: true,
    uuid: partition.partitionUuid === '' ? '' : `/dev/disk/by-partuuid/${partition.partitionUuid}`,
  };
}

/** Reads `NAME=value` lines as os-release(5) has them. */
function readRelease(host: Host, path: string): Readonly<Record<string, string>> {
  const entries: Record<string, string> = {};
  for (const line of (host.files.readTextIfAny(path) ?? '').split('\n')) {
    const match = /^\s*([A-Za-z_][A-Za-z0-9_]*)=(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|(.*?))\s*$/.exec(line);
    if (!match?.[1]) continue;
    entries[match[1]] = match[2]?.replace(/\\(.)/g, '$1') ?? match[3] ?? match[4] ?? '';
  }
  return entries;
}

function nodeUuid(host: Host): string {
  if (process.env.UUID) return process.env.UUID;
  const read = (path: string) => (host.files.readTextIfAny(path) ?? '').trim();
  return `${read('/etc/machine-id')}-${read('/proc/sys/kernel/hostname')}`;
}

function initOf(host: Host): string {
  if (host.files.exists('/run/systemd/system')) return 'systemd';
  return host.files.exists('/run/openrc') ? 'openrc' : 'sysvinit';
}

const secureBootVariable = '/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c';

function secureBoot(host: Host): boolean {
  // Four bytes of attributes come before the value (kernel documentation, filesystems/efivarfs).
  return host.files.exists(secureBootVariable) && host.files.readBytes(secureBootVariable)[4] === 1;
}

function slotState(
  host: Host,
  mountPoint: string,
  slot: SlotName,
  blocks: BootEnvironment,
  running: string | undefined,
  retired: string | undefined,
): SlotState | undefined {
  const directory = `${mountPoint}${slotDirectory(slot)}`;
  const path = `${directory}/${slotFiles.manifest}`;
  if (!host.files.exists(path)) return undefined;
  const text = readableText(host.files, path);
  const digest = text === undefined ? '' : manifestDigest(text);
  const view = readSlot(host.files, directory);
  // A damaged slot is shown as one and does not hide the rest of the state.
  if (!view) {
    return { name: 'unreadable', version: 'unreadable', kernel: '', digest, root: '', status: 'damaged' };
  }
  const { name, version, kernel, files } = view.manifest;
  // The passive slot is assessed while it stands in for a failed active one.
  const activeTries = blocks.assessment[assessment.tries];
  const tries =
    slot === 'active'
      ? activeTries
      : slot === 'passive' && activeTries === '0'
        ? blocks.assessment[assessment.fallbackTries]
        : undefined;
  // While it has its last start no further one is left, and nothing is decided yet.
  const failed = (tries === '0' && slot !== running) || (slot !== 'active' && retired === digest);
  const onTrial = tries !== undefined && !failed;
  return {
    ...{ name, version, kernel, digest, root: files[slotFiles.root]?.digest ?? '' },
    status: !view.whole ? 'damaged' : failed ? 'failed' : onTrial ? 'on trial' : 'good',
    ...(onTrial ? { tries_left: Number(tries) } : {}),
  };
}

/**
 * Digest of the image that did not prove itself, if it is no longer in the active slot. While it is there the counter
 * of that slot says so, and the same image in another slot has a verdict of its own.
 */
function retiredImage(host: Host, state: string | undefined, blocks: BootEnvironment): string | undefined {
  const failed = blocks.assessment[assessment.failed];
  if (state === undefined) return failed;
  const directory = `${state}${slotDirectory('active')}`;
  const active = readableText(host.files, `${directory}/${slotFiles.manifest}`);
  return active !== undefined && manifestDigest(active) === failed ? undefined : failed;
}

function slotStates(
  host: Host,
  { state, recovery }: SlotPlaces,
  blocks: BootEnvironment,
  running: string | undefined,
): NodeState['slots'] {
  const places: readonly (readonly [SlotName, string | undefined])[] = [
    ['active', state],
    ['passive', state],
    ['recovery', recovery],
    ['live', paths.live],
  ];
  const retired = retiredImage(host, state, blocks);
  const slots: Partial<Record<SlotName, SlotState>> = {};
  for (const [slot, mountPoint] of places) {
    const found =
      mountPoint === undefined ? undefined : slotState(host, mountPoint, slot, blocks, running, retired);
    if (found) slots[slot] = found;
  }
  return slots;
}

/** The boot loader's environment, as far as it is mounted and can be read. */
function bootEnvironment(host: Host, state: string | undefined, oem: string | undefined): BootEnvironment {
  const read = (mountPoint: string | undefined, name: string) =>
    mountPoint === undefined ? {} : readEnvironment(host.files, `${mountPoint}/${name}`, () => undefined);
  return {
    user: read(oem, 'grubenv'),
    installation: read(state, 'grub_oem_env'),
    assessment: read(state, 'boot_assessment'),
  };
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function bootReport(host: Host): BootReportState | undefined {
  const text = host.files.readTextIfAny(paths.bootReport);
  if (text === undefined) return undefined;
  const stages = readStageRecords(host.files).flatMap(({ stage, problems }) =>
    problems.map((problem) => ({ stage, ...problem })),
  );
  const records = readExtensionRecords(host.files);
  const extensions = records === undefined ? {} : { extensions: records };
  let report: unknown;
  try {
    report = JSON.parse(text);
  } catch {
    report = undefined;
  }
  if (!isRecord(report)) return { outcome: 'unreadable', failed: [], stages, ...extensions };
  const steps = Array.isArray(report.steps) ? report.steps : [];
  return {
    outcome: String(report.outcome ?? 'unknown'),
    failed: steps.filter(
      (step) => isRecord(step) && (step.status === 'failed' || step.status === 'degraded'),
    ),
    stages: [...(Array.isArray(report.stages) ? report.stages : []), ...stages],
    ...extensions,
  };
}

function resetState(
  host: Host,
  state: string | undefined,
  blocks: BootEnvironment,
  bootState: BootState,
): ResetState | undefined {
  const path = state === undefined ? resetStatusPath : `${state}/${resetJournalName}`;
  const journal = readResetJournal(host.files, path);
  const marks = state === undefined ? { mark: undefined } : resetMarks(blocks.assessment, bootState);
  const { status, text, triesLeft } = judgeReset(journal, marks);
  if (status === 'not-begun')
    return { status, text, started: null, finished: null, erased: [], failure: null };
  if (!journal) return undefined;
  const { started, finished, formatted: erased, failure } = journal;
  return {
    ...{ status, text, started, finished, erased, failure },
    ...(triesLeft === undefined ? {} : { tries_left: triesLeft }),
  };
}

/**
 * Reads the state of the node that this runs on. Whatever is missing there is empty here. Mounts nothing: `given` is
 * where partitions are that the node itself has not mounted, see {@link lookAtSlots}.
 */
export async function readState(host: Host, given: SlotPlaces = {}): Promise<NodeState> {
  const disks = await host.disks();
  const mounts = host.mounts();
  const cmdline = host.files.readTextIfAny('/proc/cmdline') ?? '';
  const os = readRelease(host, paths.osRelease);
  const kairos = readRelease(host, paths.kairosRelease);
  const release = (key: string) => kairos[`KAIROS_${key}`] ?? kairos[key] ?? os[`KAIROS_${key}`] ?? '';
  const kernel = (name: string) => (host.files.readTextIfAny(`/proc/sys/kernel/${name}`) ?? '').trim();
  const state = partitionState(disks, mounts, labels.state);
  const recovery = partitionState(disks, mounts, labels.recovery);
  const oem = partitionState(disks, mounts, labels.oem);
  const mounted = ({ mount_point: target }: PartitionState) => (target === '' ? undefined : target);
  const places = { state: mounted(state) ?? given.state, recovery: mounted(recovery) ?? given.recovery };
  const blocks = bootEnvironment(host, places.state, mounted(oem));
  // The slot that runs and has to prove itself in this start.
  const onTrial = cmdlineValue(cmdline, trialWord) === undefined ? undefined : bootStateOf(cmdline);
  const report = bootReport(host);
  const persistent = readPersistentState(host.files);
  const reset = resetState(host, places.state, blocks, bootStateOf(cmdline));
  return {
    uuid: nodeUuid(host),
    persistent: partitionState(disks, mounts, labels.persistent),
    recovery,
    oem,
    state,
    encrypted_partitions: disks
      .flatMap(({ partitions }) => partitions)
      .filter(({ filesystem }) => filesystem === 'crypto_LUKS')
      .map(({ label, partitionName }) => label || partitionName),
    boot: bootStateNames[bootStateOf(cmdline)],
    in_ram: cmdlineWords(cmdline).some((word) => /^kairos\.ram([.=]|$)/.test(word)),
    system: {
      os: { name: os.PRETTY_NAME ?? '', vendor: os.ID ?? '', version: os.VERSION_ID ?? '' },
      kernel: { release: kernel('osrelease'), version: kernel('version') },
    },
    kairos: {
      flavor: release('FLAVOR'),
      version: release('VERSION'),
      init: initOf(host),
      secureboot: secureBoot(host),
    },
    slots: slotStates(host, places, blocks, onTrial),
    ...(given.unread === undefined ? {} : { unread: given.unread }),
    ...(report === undefined ? {} : { boot_report: report }),
    ...(reset === undefined ? {} : { reset }),
    ...(places.state === undefined ? {} : { next_boot: nextBoot(blocks) }),
    upgrade_failure: cmdlineWords(cmdline).includes('upgrade_failure'),
    boot_failures: readBootFailures(host.files),
    ...(persistent === undefined ? {} : { persistent_state: persistent }),
  };
}
