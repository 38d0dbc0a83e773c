import { basename, dirname, resolve } from 'node:path';
import { cmdlineWords } from '@kairos/facts/cmdline';
import { KairosError } from '@kairos/facts/errors';
import { labels, partitionNames } from '@kairos/facts/labels';
import { formatSize } from '@kairos/facts/size';
import { type Disk, type Partition, withoutControls } from '@kairos/host/disks';
import type { Host } from '@kairos/host/host';

/** What libblkid finds on a disk or a partition: a partition table, a file system, a member of a RAID, ... */
export interface Signature {
  readonly device: string;
  /** `gpt`, `ext4`, `LVM2_member`, ... */
  readonly type: string;
  readonly label: string;
}

/** The disk that an installation goes to, and what speaks against it. */
export interface TargetDisk {
  readonly disk: Disk;
  readonly signatures: readonly Signature[];
  /** Kernel names of what holds the disk or a partition of it: `dm-0`, `md127`. */
  readonly holders: readonly string[];
  /** Where each partition of the table begins, in bytes, by its path. */
  readonly starts: ReadonlyMap<string, number>;
}

const refused = (code: string, message: string, hint: string, details: Record<string, unknown> = {}) =>
  new KairosError(code, message, { exit: 'unsuitableDisk', hint, details });

const nameOf = (disk: Disk) =>
  `${disk.path} (${formatSize(disk.size)}${disk.model === '' ? '' : `, ${disk.model}`})`;

export function mountsOf(disk: Disk): { device: string; mountPoint: string }[] {
  return [disk, ...disk.partitions].flatMap(({ path, mountPoints }) =>
    mountPoints.map((mountPoint) => ({ device: path, mountPoint })),
  );
}

/** Kernel names of block devices that are no disks to install to although they call themselves so. */
const neverTargets = /^(zram|ram|fd|nbd|sr|mtdblock|mmcblk\d+(boot|rpmb))/;

/** Whether a block device is a disk with a medium in it: one that people can be shown. */
export function isTarget(disk: Disk): boolean {
  return disk.type === 'disk' && !neverTargets.test(disk.name) && disk.size > 0;
}

/** Why a disk is not taken by itself; `undefined` where it may be. */
function whyNot(disk: Disk): string | undefined {
  if (disk.size === 0) return 'no medium';
  if (!isTarget(disk)) return 'not a disk';
  if (disk.readOnly) return 'read-only';
  const [mount] = mountsOf(disk);
  if (mount) return `${mount.device} is in use as ${mount.mountPoint}`;
  return undefined;
}

/**
 * The largest disk that is not in use. A removable one is taken only where there is no other: the user may have
 * plugged it in for something else.
 * @throws KairosError `NO_DISK` with each disk and what is against it
 */
export function largestDisk(disks: readonly Disk[]): Disk {
  const free = disks.filter((disk) => whyNot(disk) === undefined);
  const fixed = free.filter((disk) => !disk.removable);
  const choice = fixed.length > 0 ? fixed : free.length === 1 ? free : [];
  const [best] = choice.toSorted((a, b) => b.size - a.size || (a.path < b.path ? -1 : 1));
  if (best) return best;
  const seen = disks
    .filter((disk) => disk.type !== 'loop' && disk.size > 0)
    .map((disk) => `${nameOf(disk)}: ${whyNot(disk) ?? 'removable, and not the only one'}`);
  throw refused(
    'NO_DISK',
    `There is no disk to install to${seen.length === 0 ? ': the machine shows none' : `\n${seen.join('\n')}`}`,
    'Name the disk with install.device or --device',
    { disks: seen },
  );
}

/** Follows symbolic links of `/dev/disk/by-*`; a chain longer than this is a loop. */
const longestChain = 16;

function realDevice(host: Host, path: string): string {
  let current = resolve(path);
  for (let step = 0; step < longestChain; step++) {
    const status = host.files.status(current);
    if (status?.kind !== 'symlink') return current;
    current = resolve(dirname(current), host.files.readLink(current));
  }
  throw refused('DISK_NOT_FOUND', `${path} is a loop of symbolic links`, 'Name the disk by its own path');
}

async function wishedDevice(host: Host, wish: string): Promise<string> {
  if (!wish.startsWith('script://')) return wish;
  const [program, ...args] = cmdlineWords(wish.slice('script://'.length));
  if (program === undefined) {
    throw new KairosError('DEVICE_SCRIPT', 'install.device: script:// names no program', {
      exit: 'invalidInput',
    });
  }
  const { stdout } = await host.run([program, ...args], { timeout: 120_000 });
  const answer = stdout.trim();
  if (answer !== 'auto' && !/^\/dev\/[^\s]+$/.test(answer)) {
    throw new KairosError(
      'DEVICE_SCRIPT',
      `${program} should print the path of a disk and printed ${JSON.stringify(answer.slice(0, 200))}`,
      { exit: 'invalidInput', hint: 'Print one line such as /dev/sda and nothing else on standard output' },
    );
  }
  return answer;
}

function listed(disks: readonly Disk[]): string {
  const seen = disks.filter(({ type, size }) => type === 'disk' && size > 0).map(nameOf);
  return seen.length === 0 ? 'The machine shows no disks' : `Disks here: ${seen.join(', ')}`;
}

/**
 * Finds the disk of a wish: `auto` or nothing, a path below `/dev`, or `script://PROGRAM ARGUMENTS` that prints one.
 * @throws KairosError `NO_DISK`, `DISK_NOT_FOUND`, `DEVICE_SCRIPT`
 */
export async function chooseDisk(host: Host, wish: string): Promise<Disk> {
  const disks = await host.disks();
  const device = await wishedDevice(host, wish || 'auto');
  if (device === 'auto') return largestDisk(disks);
  if (/^\/dev\/disk\/by-part(label|uuid)\//.test(device)) {
    throw refused(
      'DISK_NOT_FOUND',
      `${device} names a partition, and an installation takes a whole disk`,
      listed(disks),
    );
  }
  const real = realDevice(host, device);
  const found = disks.find(({ path }) => path === real);
  if (found) return found;
  const parent = disks.find(({ partitions }) => partitions.some(({ path }) => path === real));
  if (parent) {
    throw refused(
      'DISK_NOT_FOUND',
      `${device} is a partition, and an installation takes a whole disk`,
      `To take the disk that it is on, name ${parent.path}`,
    );
  }
  const exists = host.files.exists(real);
  throw refused(
    'DISK_NOT_FOUND',
    exists ? `${device} is not a disk` : `There is no disk ${device}`,
    listed(disks),
  );
}

interface WipefsReport {
  readonly signatures?: readonly { readonly type?: string | null; readonly label?: string | null }[];
}

interface SfdiskReport {
  readonly partitiontable?: {
    readonly partitions?: readonly {
      readonly node: string;
      readonly start: number;
      readonly size: number;
      readonly name?: string;
      readonly uuid?: string;
    }[];
    readonly sectorsize?: number;
  };
}

function reportOf<Report extends object>(stdout: string, program: string, path: string): Report | undefined {
  if (stdout.trim() === '') return undefined;
  try {
    return JSON.parse(stdout) as Report;
  } catch (cause) {
    throw new KairosError('TOOL_UNREADABLE', `Cannot tell what is on ${path}: ${program} printed no JSON`, {
      exit: 'toolFailed',
      cause,
    });
  }
}

/** The partitions of the table on the disk; the kernel may know fewer. */
async function partitionsOnDisk(
  host: Host,
  disk: Disk,
): Promise<{ partitions: readonly Partition[]; starts: ReadonlyMap<string, number> }> {
  // Exit code 1: there is no partition table that it knows.
  const { stdout, code } = await host.run(['sfdisk', '--json', disk.path], { okCodes: [0, 1] });
  const table = code === 0 ? reportOf<SfdiskReport>(stdout, 'sfdisk', disk.path)?.partitiontable : undefined;
  if (!table) return { partitions: disk.partitions, starts: new Map() };
  const sector = table.sectorsize ?? 512;
  const onDisk = (table.partitions ?? []).map((row): Partition => {
    const known = disk.partitions.find(({ path }) => path === row.node);
    const name = withoutControls(row.name ?? known?.partitionName ?? '');
    if (known) return { ...known, partitionName: name };
    return {
      ...{ path: row.node, name: basename(row.node), label: '', partitionName: name, filesystem: '' },
      ...{ uuid: '', partitionUuid: row.uuid ?? '', size: row.size * sector },
      mountPoints: [],
    };
  });
  const rest = disk.partitions.filter(({ path }) => !onDisk.some((partition) => partition.path === path));
  return {
    partitions: [...onDisk, ...rest],
    starts: new Map((table.partitions ?? []).map(({ node, start }) => [node, start * sector])),
  };
}

/**
 * Asks the disk itself, not the device manager's memory of it.
 * @throws KairosError `TOOL_UNREADABLE`
 */
export async function inspectDisk(host: Host, given: Disk): Promise<TargetDisk> {
  const { partitions, starts } = await partitionsOnDisk(host, given);
  const disk = { ...given, partitions };
  const signatures: Signature[] = [];
  const holders: string[] = [];
  for (const { path, name } of [disk, ...disk.partitions]) {
    if (!host.files.exists(path)) continue;
    const { stdout } = await host.run(['wipefs', '--json', '--no-act', path]);
    const report = reportOf<WipefsReport>(stdout, 'wipefs', path) ?? {};
    for (const { type, label } of report.signatures ?? []) {
      signatures.push({ device: path, type: type ?? '', label: withoutControls(label ?? '') });
    }
    holders.push(...host.files.list(`/sys/class/block/${name}/holders`));
  }
  return { disk, signatures, holders: [...new Set(holders)], starts };
}

const tableTypes = new Set(['gpt', 'PMBR', 'dos']);
const ourLabels = new Set<string>(Object.values(labels));
const ourNames = new Set<string>(Object.values(partitionNames));

/** What is on the disk that no installation of ours has put there, in words. */
export function foreignData(target: TargetDisk, extraNames: ReadonlySet<string>): string[] {
  const { disk, signatures } = target;
  const on = (device: string) => signatures.filter((signature) => signature.device === device);
  const words = ({ type, label }: Signature) => (label === '' ? type : `${type} ${JSON.stringify(label)}`);
  const found: string[] = [];
  for (const signature of on(disk.path)) {
    if (!tableTypes.has(signature.type)) found.push(`${disk.path}: ${words(signature)}`);
  }
  const isInstalled = disk.partitions.some(({ path, label }) =>
    [label, ...on(path).map((signature) => signature.label)].includes(labels.state),
  );
  // An installation that lost power between partitioning and the file systems has left its table and little more.
  const isHalfMade =
    !isInstalled &&
    [...ourNames].every((name) => disk.partitions.some(({ partitionName }) => partitionName === name));
  const isOurs = isInstalled || isHalfMade;
  for (const partition of disk.partitions) {
    const own = on(partition.path);
    const known =
      ourNames.has(partition.partitionName) || (isOurs && extraNames.has(partition.partitionName));
    const labelsFit = own.every(
      ({ label }) =>
        ourLabels.has(label) || extraNames.has(partition.partitionName) || (label === '' && isInstalled),
    );
    if (isOurs && known && labelsFit) continue;
    const what = own.map(words).join(', ') || 'no known file system';
    found.push(
      `${partition.path} (${formatSize(partition.size)}${partition.partitionName === '' ? '' : `, named ${partition.partitionName}`}): ${what}`,
    );
  }
  return found;
}

/**
 * Refuses a disk before anything is written to it.
 * @throws KairosError `DISK_READ_ONLY`, `DISK_IN_USE`, `DISK_HAS_DATA`
 */
export function checkDisk(
  target: TargetDisk,
  wish: { readonly force: boolean; readonly extraNames: ReadonlySet<string> },
): void {
  const { disk, holders } = target;
  if (disk.readOnly) {
    throw refused(
      'DISK_READ_ONLY',
      `${nameOf(disk)} is read-only`,
      'Take off its write protection or name another disk',
    );
  }
  const mounts = mountsOf(disk);
  if (mounts.length > 0) {
    const list = mounts.map(({ device, mountPoint }) => `${device} as ${mountPoint}`).join(', ');
    throw refused(
      'DISK_IN_USE',
      `${nameOf(disk)} is in use: ${list}`,
      'Unmount it, or start the installation from the live medium',
      { device: disk.path, mounts },
    );
  }
  if (holders.length > 0) {
    throw refused(
      'DISK_IN_USE',
      `${nameOf(disk)} is in use by ${holders.join(', ')}`,
      'Close the LVM group, RAID array or encrypted volume on it first',
      { device: disk.path, holders },
    );
  }
  if (wish.force) return;
  const foreign = foreignData(target, wish.extraNames);
  if (foreign.length > 0) {
    throw refused(
      'DISK_HAS_DATA',
      `${nameOf(disk)} holds data that is not of a Kairos installation:\n${foreign.join('\n')}`,
      'To erase it, say so with --force or install.force: true',
      { device: disk.path, found: foreign },
    );
  }
}
