import { KairosError } from '@kairos/facts/errors';
import { labels, partitionNames } from '@kairos/facts/labels';
import { MiB } from '@kairos/facts/size';
import { didYouMean } from '@kairos/facts/suggest';

/** File systems that a partition may be given, with the longest label of each in bytes. */
const longestLabel = {
  none: 0,
  vfat: 11,
  ext4: 16,
  ext2: 16,
  ext3: 16,
  xfs: 12,
  btrfs: 255,
  swap: 15,
} as const;
export type PartitionFilesystem = keyof typeof longestLabel;

export interface PartitionPlan {
  readonly number: number;
  /** GPT partition name. */
  readonly name: string;
  /** File system label; empty where there is no file system. */
  readonly label: string;
  readonly filesystem: PartitionFilesystem;
  /** Bytes from the start of the disk, a multiple of 1 MiB. */
  readonly start: number;
  /** Bytes, a multiple of 1 MiB. */
  readonly size: number;
  readonly typeGuid: string;
  readonly guid: string;
  /** GPT attributes in the words of sfdisk. */
  readonly attributes: readonly string[];
}

/** Partitions in the order in which they lie on the disk. */
export interface DiskPlan {
  readonly diskGuid: string;
  /** Bytes of the disk. */
  readonly size: number;
  readonly partitions: readonly PartitionPlan[];
}

/** Partitions whose size a user may wish, in MiB. `persistent: 0` is the rest of the disk. */
export type PartitionSizes = Partial<Record<'efi' | 'oem' | 'recovery' | 'state' | 'persistent', number>>;

export interface ExtraPartition {
  readonly name: string;
  /** MiB; 0 is the rest of the disk. */
  readonly size: number;
  /** Default ext4. */
  readonly filesystem?: string;
  readonly label?: string;
}

export interface DiskRequest {
  /** Bytes of the disk. */
  readonly diskSize: number;
  /** Bytes of all files of one slot. */
  readonly slotSize: number;
  readonly sizes?: PartitionSizes;
  readonly extra?: readonly ExtraPartition[];
  /** The GUID of `disk` or of the partition with the given name. */
  readonly guids: (what: string) => string;
}

const typeGuids = {
  bios: '21686148-6449-6E6F-744E-656564454649',
  esp: 'C12A7328-F81F-11D2-BA4B-00A0C93EC93B',
  linux: '0FC63DAF-8483-4772-8E79-3D69D8477DE4',
  swap: '0657FD6D-A4AB-43C4-84E5-0933C84B4F4F',
} as const;

/** MiB before the first partition (protective MBR, GPT) and behind the last (the backup GPT). */
const headRoom = 1;
const tailRoom = 1;
/** MiB. */
const biosSize = 1;
/** MiB of the persistent partition: below this an installation is refused; ... */
const leastPersistent = 256;
/** ... and below this, recovery and state give up what they have beyond their minimum. */
const wantedPersistent = 1024;

/** MiB of a partition that holds `count` slots and `slack` MiB beside; ext4 itself takes up to 3 %. */
function forSlots(count: number, slotSize: number, slack: number): number {
  return Math.ceil((count * slotSize * 1.03) / MiB) + slack;
}

interface Limits {
  readonly least: number;
  readonly usual: number;
}

/** What each partition needs at least, and what it is given where there is room; MiB. */
function limitsFor(slotSize: number): Record<'efi' | 'oem' | 'recovery' | 'state' | 'persistent', Limits> {
  return {
    efi: { least: 64, usual: 64 },
    oem: { least: 64, usual: 64 },
    recovery: {
      least: forSlots(2, slotSize, 100),
      usual: Math.max(forSlots(2, slotSize, 100), Math.ceil((2 * slotSize) / MiB) + 200),
    },
    state: {
      least: forSlots(3, slotSize, 100),
      usual: Math.max(forSlots(3, slotSize, 100), Math.ceil((3 * slotSize) / MiB) + 1000),
    },
    persistent: { least: leastPersistent, usual: 0 },
  };
}

const sizedNames = ['efi', 'oem', 'recovery', 'state', 'persistent'] as const;

function checkSize(name: string, size: number): void {
  if (!Number.isSafeInteger(size) || size < 0 || size > Number.MAX_SAFE_INTEGER / MiB) {
    throw new KairosError('PARTITION_SIZE', `Partition ${name}: ${size} is not a size in MiB`, {
      exit: 'invalidInput',
      hint: 'Give a whole number of MiB, or 0 for the rest of the disk',
    });
  }
}

function invalid(code: string, message: string, hint: string): KairosError {
  return new KairosError(code, message, { exit: 'invalidInput', hint });
}

interface Wish {
  readonly name: string;
  readonly label: string;
  readonly filesystem: PartitionFilesystem;
  readonly typeGuid: string;
  readonly attributes: readonly string[];
  /** MiB; 0 is the rest. */
  readonly size: number;
  /** MiB. */
  readonly least: number;
}

/** @throws KairosError `PARTITION_UNNAMED`, `PARTITION_NAME`, `PARTITION_FILESYSTEM`, `PARTITION_LABEL` */
function extraWishes(extra: readonly ExtraPartition[]): Wish[] {
  const names = new Set<string>(Object.values(partitionNames));
  const labelsTaken = new Set<string>(Object.values(labels));
  return extra.map((partition, index) => {
    const { name, size } = partition;
    if (!name) {
      throw invalid(
        'PARTITION_UNNAMED',
        `Extra partition ${index + 1} has no name`,
        'Give each extra partition a name',
      );
    }
    if (!/^[\w.-]{1,36}$/.test(name)) {
      throw invalid(
        'PARTITION_NAME',
        `Extra partition ${index + 1}: ${JSON.stringify(name)} cannot be a partition name`,
        'Use 1 to 36 letters, digits, dots, dashes and underscores',
      );
    }
    if (names.has(name)) {
      throw invalid(
        'PARTITION_NAME',
        `Two partitions are named ${name}`,
        'Give the extra partition another name',
      );
    }
    names.add(name);
    checkSize(name, size);
    const filesystem = partition.filesystem || 'ext4';
    if (!Object.hasOwn(longestLabel, filesystem)) {
      const near = didYouMean(filesystem, Object.keys(longestLabel));
      throw invalid(
        'PARTITION_FILESYSTEM',
        `Extra partition ${name}: unknown file system ${JSON.stringify(filesystem)}`,
        near ? `Did you mean ${near}?` : `Use one of ${Object.keys(longestLabel).join(', ')}`,
      );
    }
    const type = filesystem as PartitionFilesystem;
    const label = partition.label ?? '';
    if (Buffer.byteLength(label) > longestLabel[type] || /["\\/\p{Cc}]/u.test(label)) {
      throw invalid(
        'PARTITION_LABEL',
        `Extra partition ${name}: ${JSON.stringify(label)} cannot be the label of ${type}`,
        `A label of ${type} has at most ${longestLabel[type]} bytes, without quotes, slashes and control characters`,
      );
    }
    if (label && labelsTaken.has(label)) {
      throw invalid(
        'PARTITION_LABEL',
        `Two partitions are labelled ${label}`,
        'Give the extra partition another label',
      );
    }
    labelsTaken.add(label);
    return {
      name,
      label,
      filesystem: type,
      typeGuid: type === 'swap' ? typeGuids.swap : typeGuids.linux,
      attributes: [],
      size,
      least: 1,
    };
  });
}

function tooSmall(
  request: DiskRequest,
  needed: number,
  wishes: readonly { name: string; size: number }[],
): KairosError {
  const list = wishes.map((wish) => `${wish.name} ${wish.size} MiB`).join(', ');
  return new KairosError(
    'DISK_TOO_SMALL',
    `The disk is too small: ${needed} MiB are needed, it has ${Math.floor(request.diskSize / MiB)} MiB (${list})`,
    {
      exit: 'unsuitableDisk',
      hint: 'Take a larger disk, or ask for smaller partitions',
      details: {
        needed: needed * MiB,
        size: request.diskSize,
        partitions: Object.fromEntries(wishes.map((wish) => [wish.name, wish.size * MiB])),
      },
    },
  );
}

/**
 * Lays out a disk: BIOS boot and EFI partitions, `oem`, `recovery`, `state`, `persistent` and the extra ones.
 *
 * A wished size below what a partition needs is raised. Recovery is two slots and 200 MiB, state three slots and
 * 1000 MiB; where that leaves less than 1 GiB to the partition that takes the rest, first state, then recovery
 * (unless the user gave their size) shrink, down to 100 MiB beside the slots. At most one partition takes the rest of
 * the disk; it lies last, so that it can grow.
 *
 * @throws KairosError `DISK_TOO_SMALL` (exit `unsuitableDisk`), and with exit `invalidInput` `PARTITION_SIZE`,
 *   `PARTITION_REST`, `PARTITION_UNNAMED`, `PARTITION_NAME`, `PARTITION_FILESYSTEM`, `PARTITION_LABEL`
 */
export function planDisk(request: DiskRequest): DiskPlan {
  const limits = limitsFor(request.slotSize);
  const wished = request.sizes ?? {};
  const sizes = { efi: 0, oem: 0, recovery: 0, state: 0, persistent: 0 };
  for (const name of sizedNames) {
    const wish = wished[name];
    if (wish !== undefined) checkSize(name, wish);
    // 0 asks for the usual size, and for the rest in the case of persistent, whose usual size is 0.
    sizes[name] = wish ? Math.max(wish, limits[name].least) : limits[name].usual;
  }
  const extra = extraWishes(request.extra ?? []);
  const linux = { filesystem: 'ext4', typeGuid: typeGuids.linux, attributes: [] } as const;
  const wishes = (): Wish[] => [
    {
      ...{ name: partitionNames.bios, label: '', filesystem: 'none', typeGuid: typeGuids.bios },
      ...{ attributes: ['LegacyBIOSBootable'], size: biosSize, least: biosSize },
    },
    {
      ...{ name: partitionNames.esp, label: labels.esp, filesystem: 'vfat', typeGuid: typeGuids.esp },
      ...{ attributes: [], size: sizes.efi, least: limits.efi.least },
    },
    { ...linux, name: partitionNames.oem, label: labels.oem, size: sizes.oem, least: limits.oem.least },
    {
      ...linux,
      ...{ name: partitionNames.recovery, label: labels.recovery },
      ...{ size: sizes.recovery, least: limits.recovery.least },
    },
    {
      ...linux,
      name: partitionNames.state,
      label: labels.state,
      size: sizes.state,
      least: limits.state.least,
    },
    {
      ...linux,
      ...{ name: partitionNames.persistent, label: labels.persistent },
      ...{ size: sizes.persistent, least: limits.persistent.least },
    },
    ...extra,
  ];
  const rest = wishes().filter((wish) => wish.size === 0);
  if (rest.length > 1) {
    throw invalid(
      'PARTITION_REST',
      `Only one partition can take the rest of the disk; size 0 was given for ${rest.map((wish) => wish.name).join(', ')}`,
      'Give a size in MiB to all of them but one, for example to persistent',
    );
  }
  const available = Math.floor(request.diskSize / MiB) - headRoom - tailRoom;
  const left = () => available - wishes().reduce((sum, wish) => sum + wish.size, 0);
  const wanted = rest[0] === undefined ? 0 : wantedPersistent;
  for (const name of ['state', 'recovery'] as const) {
    const missing = wanted - left();
    if (missing > 0 && !wished[name]) sizes[name] = Math.max(limits[name].least, sizes[name] - missing);
  }
  const least = rest[0]?.least ?? 0;
  if (left() < least) {
    const needed = wishes().map((wish) => ({ name: wish.name, size: wish.size || wish.least }));
    const sum = needed.reduce((total, wish) => total + wish.size, headRoom + tailRoom);
    throw tooSmall(request, sum, needed);
  }
  const remaining = left();
  const ordered = wishes().sort((a, b) => Number(a.size === 0) - Number(b.size === 0));
  let start = headRoom;
  return {
    diskGuid: request.guids('disk'),
    size: request.diskSize,
    partitions: ordered.map(({ least: _, ...wish }, index) => {
      const size = wish.size || remaining;
      const plan = {
        ...wish,
        number: index + 1,
        start: start * MiB,
        size: size * MiB,
        guid: request.guids(wish.name),
      };
      start += size;
      return plan;
    }),
  };
}

/** The smallest disk in bytes on which {@link planDisk} succeeds with these sizes and no extra partitions. */
export function minimumDiskSize(slotSize: number, sizes: PartitionSizes = {}): number {
  const limits = limitsFor(slotSize);
  let total = headRoom + biosSize + tailRoom;
  for (const name of sizedNames) total += Math.max(limits[name].least, sizes[name] ?? 0);
  return total * MiB;
}

/**
 * The smallest disk in bytes that gives every partition its wished or usual size, and the persistent one the given
 * MiB, with the sizes that make it so.
 */
export function fittingDisk(
  slotSize: number,
  persistent: number,
  wished: PartitionSizes = {},
): { readonly diskSize: number; readonly sizes: PartitionSizes } {
  const limits = limitsFor(slotSize);
  const size = (name: (typeof sizedNames)[number]) =>
    Math.max(wished[name] || limits[name].usual, limits[name].least);
  const sizes = { efi: size('efi'), oem: size('oem'), recovery: size('recovery'), state: size('state') };
  const last = Math.max(wished.persistent || persistent, limits.persistent.least);
  const sum = sizes.efi + sizes.oem + sizes.recovery + sizes.state + last;
  return { diskSize: (headRoom + biosSize + sum + tailRoom) * MiB, sizes };
}

/**
 * The plan as input for `sfdisk`. Sizes are in MiB and not in sectors, so that it is right for disks of any sector
 * size.
 */
export function sfdiskScript(plan: DiskPlan): string {
  const lines = ['label: gpt', `label-id: ${plan.diskGuid}`, ''];
  for (const partition of plan.partitions) {
    const fields = [
      `start=${partition.start / MiB}MiB`,
      `size=${partition.size / MiB}MiB`,
      `type=${partition.typeGuid}`,
      `uuid=${partition.guid}`,
      `name="${partition.name}"`,
      ...(partition.attributes.length === 0 ? [] : [`attrs="${partition.attributes.join(',')}"`]),
    ];
    lines.push(`${partition.number} : ${fields.join(', ')}`);
  }
  return `${lines.join('\n')}\n`;
}
