import { embedGrub } from '@kairos/artifacts/boot-sector';
import { type BootloaderPayload, efiSystemFiles, menuStub } from '@kairos/artifacts/bootloader-payload';
import {
  type DiskPlan,
  type ExtraPartition,
  type PartitionFilesystem,
  type PartitionSizes,
  planDisk,
  sfdiskScript,
} from '@kairos/artifacts/disk-layout';
import type { Architecture } from '@kairos/facts/architecture';
import { KairosError } from '@kairos/facts/errors';
import type { ImageManifest } from '@kairos/facts/image-manifest';
import { labels, partitionNames } from '@kairos/facts/labels';
import { paths } from '@kairos/facts/paths';
import { type SlotName, slotDirectory } from '@kairos/facts/slot';
import { formatGrubEnvironment, type GrubVariables } from '@kairos/host/grub-environment';
import type { ChrootStage } from './chroot-stage.ts';
import { checkDisk, type TargetDisk } from './target-disk.ts';

/** Parts of an installation in the words that progress lines have. */
export type InstallPhase =
  | 'partition'
  | 'before-install'
  | 'active'
  | 'bootloader'
  | 'recovery'
  | 'passive'
  | 'after-install'
  | 'done';

/** Where the partitions are mounted while the agent works. */
export const workMounts = {
  efi: '/run/cos/efi',
  oem: '/run/cos/oem',
  recovery: '/run/cos/recovery',
  state: '/run/cos/state',
  persistent: '/run/cos/persistent',
} as const;

/** A stage or a script writes the reason here to stop the installation. */
export const abortFile = '/run/cos/fail_installation';

/** systemd runs what lies here when everything is unmounted, with how the machine ends as argument. */
const ejectScript = '/usr/lib/systemd/system-shutdown/eject';

/** One step, as data. Whoever carries it out needs nothing else but the image. */
export type InstallAction =
  | { readonly kind: 'stage'; readonly stage: string }
  | ChrootStage
  /** Installs bundles onto the partitions of the new system. */
  | {
      readonly kind: 'bundles';
      readonly targets: readonly string[];
      readonly oem: string;
      readonly persistent: string;
      /** A failure ends the installation; else it is a warning. */
      readonly fatal: boolean;
    }
  /** A program that the image or the user may have put there. */
  | { readonly kind: 'hook'; readonly program: string }
  /** Stops the installation if the file is there. */
  | { readonly kind: 'stop-if-asked'; readonly path: string }
  | {
      readonly kind: 'partition';
      readonly device: string;
      /** Input of sfdisk. */
      readonly script: string;
      readonly partitions: readonly {
        readonly path: string;
        readonly start: number;
        readonly size: number;
      }[];
    }
  | {
      readonly kind: 'make-filesystem';
      readonly device: string;
      readonly filesystem: PartitionFilesystem;
      readonly label: string;
      /** GRUB reads it, so it has only features that GRUB knows. */
      readonly forBootLoader: boolean;
    }
  | {
      readonly kind: 'write-device';
      readonly device: string;
      readonly offset: number;
      readonly content: Uint8Array;
    }
  | {
      readonly kind: 'mount';
      readonly device: string;
      readonly target: string;
      readonly type: string;
      readonly options: readonly string[];
    }
  | { readonly kind: 'remove'; readonly path: string }
  | {
      readonly kind: 'copy-slot';
      /** `undefined` is the image itself. */
      readonly from: string | undefined;
      readonly to: string;
      readonly size: number;
    }
  | {
      readonly kind: 'write-file';
      readonly path: string;
      readonly mode: number;
      readonly content: Uint8Array;
    }
  | { readonly kind: 'record'; readonly path: string; readonly source: string }
  /** All that was written is on the disk before anything that comes later. */
  | { readonly kind: 'checkpoint'; readonly mountPoint: string }
  | { readonly kind: 'unmount'; readonly target: string };

export type InstallStep = InstallAction & { readonly phase: InstallPhase };

export interface InstallFacts {
  readonly architecture: Architecture;
  /** By what the machine was started. */
  readonly firmware: 'efi' | 'bios';
  readonly target: TargetDisk;
  readonly image: {
    readonly source: string;
    readonly digest: string;
    readonly manifest: ImageManifest;
    readonly files: ReadonlyMap<string, number>;
  };
  readonly bootloader: BootloaderPayload;
}

export interface InstallWish {
  readonly sizes?: PartitionSizes;
  readonly extra?: readonly ExtraPartition[];
  /** Erases what others have put on the disk. */
  readonly force: boolean;
  /** Keeps partition table and file systems, which carry our labels already. */
  readonly noFormat: boolean;
  /** For which firmware a boot loader has to be there; default: that of the machine. */
  readonly firmware?: 'efi' | 'bios';
  /** Files for the OEM partition, by name. */
  readonly oemFiles: ReadonlyMap<string, string>;
  readonly grubOptions: GrubVariables;
  /** `install.bundles`, by their targets. */
  readonly bundles?: { readonly targets: readonly string[]; readonly fatal: boolean };
  /** Whether there are steps for the stage `after-install-chroot`. */
  readonly chrootStage?: boolean;
  /** Title in the boot menu. */
  readonly entryName?: string;
  /** The drive with the medium, which is opened when the machine ends. */
  readonly ejects?: string;
  readonly after: 'nothing' | 'reboot' | 'poweroff';
  readonly guids: (what: string) => string;
}

export interface BootEntry {
  readonly id: string;
  readonly title: string;
  /** Partition label and directory of the slot that it starts. */
  readonly slot: string;
}

export interface PlannedPartition {
  readonly path: string;
  readonly name: string;
  readonly label: string;
  readonly filesystem: string;
  /** Bytes. */
  readonly size: number;
}

export interface InstallPlan {
  readonly disk: { readonly path: string; readonly size: number; readonly model: string };
  readonly image: {
    readonly source: string;
    readonly digest: string;
    readonly name: string;
    readonly version: string;
    /** Bytes of one slot. */
    readonly size: number;
  };
  /** What will be erased, in words. */
  readonly erases: readonly string[];
  readonly partitions: readonly PlannedPartition[];
  readonly entries: readonly BootEntry[];
  readonly steps: readonly InstallStep[];
  readonly after: 'nothing' | 'reboot' | 'poweroff';
}

/** What runs before the disk is looked at, so that it may prepare the disk. */
export const preparation: readonly InstallAction[] = [
  { kind: 'stage', stage: 'kairos-install.pre' },
  { kind: 'hook', program: '/usr/bin/kairos-agent.install.pre.hook' },
];

/** The kernel's name of a partition: `sda1`, but `nvme0n1p1`. */
export function partitionPath(disk: string, number: number): string {
  return `${disk}${/\d$/.test(disk) ? 'p' : ''}${number}`;
}

const slotPlaces = [
  { slot: 'active', mount: workMounts.state },
  { slot: 'recovery', mount: workMounts.recovery },
  { slot: 'passive', mount: workMounts.state },
] as const;

function entriesOf(title: string): BootEntry[] {
  const place = (label: string, slot: SlotName) => `${label}:${slotDirectory(slot)}`;
  return [
    { id: 'cos', title, slot: place(labels.state, 'active') },
    { id: 'fallback', title: `${title} (fallback)`, slot: place(labels.state, 'passive') },
    { id: 'recovery', title: `${title} recovery`, slot: place(labels.recovery, 'recovery') },
    { id: 'statereset', title: `${title} state reset (auto)`, slot: place(labels.recovery, 'recovery') },
  ];
}

/** @throws KairosError `WRONG_ARCHITECTURE` */
export function checkArchitecture(source: string, manifest: ImageManifest, machine: Architecture): void {
  if (manifest.architecture === machine) return;
  throw new KairosError(
    'WRONG_ARCHITECTURE',
    `${source} is an image for ${manifest.architecture}, this machine is ${machine}`,
    { exit: 'unsuitableImage', hint: `Give an image for ${machine}` },
  );
}

function checkImage(facts: InstallFacts, wish: InstallWish): void {
  const { manifest, source } = facts.image;
  checkArchitecture(source, manifest, facts.architecture);
  const firmware = wish.firmware ?? facts.firmware;
  if ((firmware === 'efi' ? facts.bootloader.efi : facts.bootloader.bios) === undefined) {
    throw new KairosError(
      'NO_BOOT_LOADER',
      `${source} has no boot loader for ${firmware === 'efi' ? 'UEFI' : 'BIOS'}, by which the machine starts`,
      {
        exit: 'unsuitableImage',
        hint: 'Build the image with GRUB for this firmware, or say with install.firmware that the disk is for another machine',
      },
    );
  }
}

interface Places {
  /** `start` in bytes. */
  readonly partitions: readonly (PlannedPartition & { readonly start: number })[];
  readonly disk: DiskPlan | undefined;
}

function newPlaces(facts: InstallFacts, wish: InstallWish, slotSize: number): Places {
  const { disk } = facts.target;
  const plan = planDisk({
    diskSize: disk.size,
    slotSize,
    ...(wish.sizes === undefined ? {} : { sizes: wish.sizes }),
    ...(wish.extra === undefined ? {} : { extra: wish.extra }),
    guids: wish.guids,
  });
  return {
    disk: plan,
    partitions: plan.partitions.map(({ number, name, label, filesystem, size, start }) => ({
      path: partitionPath(disk.path, number),
      ...{ name, label, filesystem, size, start },
    })),
  };
}

/** ext4 itself takes up to this share of a partition. */
const filesystemShare = 0.03;

/**
 * Partitions that someone has prepared with our labels.
 * @throws KairosError `PARTITION_MISSING`, `PARTITION_TOO_SMALL`
 */
function preparedPlaces(facts: InstallFacts, wish: InstallWish, slotSize: number): Places {
  const { disk, signatures } = facts.target;
  const partitions = disk.partitions.flatMap(({ path, partitionName, size, filesystem }) => {
    const own = signatures.find(({ device, label }) => device === path && label !== '');
    const name =
      (Object.keys(workMounts) as (keyof typeof workMounts)[]).find(
        (key) => labels[key === 'efi' ? 'esp' : key] === own?.label,
      ) ?? (partitionName === partitionNames.bios ? partitionNames.bios : undefined);
    if (name === undefined) return [];
    const start = facts.target.starts.get(path) ?? 0;
    return [{ path, name, label: own?.label ?? '', filesystem: own?.type ?? filesystem, size, start }];
  });
  const boot = (wish.firmware ?? facts.firmware) === 'efi' ? 'efi' : 'bios';
  const missing = (['oem', 'recovery', 'state', 'persistent', boot] as const).filter(
    (name) => !partitions.some((partition) => partition.name === name),
  );
  if (missing.length > 0) {
    const words = missing.map((name) =>
      name === 'bios' ? 'named bios' : `labelled ${labels[name === 'efi' ? 'esp' : name]}`,
    );
    throw new KairosError(
      'PARTITION_MISSING',
      `install.no-format: ${disk.path} has no partition ${words.join(', ')}`,
      {
        exit: 'unsuitableDisk',
        hint: 'Prepare the disk in the stage kairos-install.pre, or let it be formatted',
      },
    );
  }
  for (const [name, count] of [
    ['state', 2],
    ['recovery', 1],
  ] as const) {
    const partition = partitions.find((one) => one.name === name);
    const needed = Math.ceil((count * slotSize) / (1 - filesystemShare));
    if (partition && partition.size < needed) {
      throw new KairosError(
        'PARTITION_TOO_SMALL',
        `${partition.path} (${labels[name]}) has ${partition.size} bytes, and ${count} slots of the image need ${needed}`,
        {
          exit: 'unsuitableDisk',
          hint: 'Make the partition larger; an upgrade needs room for one slot more',
        },
      );
    }
  }
  return { partitions, disk: undefined };
}

const encode = (text: string) => new TextEncoder().encode(text);

/**
 * Plans an installation without touching anything.
 * @throws KairosError where it is refused: `WRONG_ARCHITECTURE`, `NO_BOOT_LOADER`, `DISK_READ_ONLY`, `DISK_IN_USE`,
 *   `DISK_HAS_DATA`, `DISK_TOO_SMALL`, `PARTITION_*`, `GRUB_*`
 */
export function planInstall(facts: InstallFacts, wish: InstallWish): InstallPlan {
  const { image, bootloader, target } = facts;
  const { disk } = target;
  checkImage(facts, wish);
  const extraNames = new Set((wish.extra ?? []).map(({ name }) => name));
  checkDisk(target, { force: wish.force || wish.noFormat, extraNames });
  const slotSize = [...image.files.values()].reduce((sum, size) => sum + size, 0);
  const places = wish.noFormat ? preparedPlaces(facts, wish, slotSize) : newPlaces(facts, wish, slotSize);
  const byName = (name: string) => places.partitions.find((partition) => partition.name === name);
  const title = wish.entryName || 'Kairos';
  const steps: InstallStep[] = [];
  const add = (phase: InstallPhase, ...actions: InstallAction[]) =>
    steps.push(...actions.map((action) => ({ ...action, phase })));
  const write = (phase: InstallPhase, path: string, content: Uint8Array, mode = 0o644) =>
    add(phase, { kind: 'write-file', path, mode, content });

  const bios = byName(partitionNames.bios);
  // Whatever the disk started goes first: what is half installed must not start.
  const startsWithout = (code: Uint8Array) =>
    add('partition', {
      kind: 'write-device',
      device: disk.path,
      offset: 0,
      content: new Uint8Array(code.length),
    });
  const grub =
    bootloader.bios && bios && embedGrub({ ...bootloader.bios, coreStartSector: bios.start / 512 });
  if (grub) startsWithout(grub.mbrCode);
  if (places.disk) {
    add('partition', {
      kind: 'partition',
      device: disk.path,
      script: sfdiskScript(places.disk),
      partitions: places.partitions.map(({ path, start, size }) => ({ path, start, size })),
    });
    for (const { path, name, filesystem, label } of places.disk.partitions.map((partition) => ({
      ...partition,
      path: partitionPath(disk.path, partition.number),
    }))) {
      if (filesystem === 'none') continue;
      const forBootLoader = name === 'oem' || name === 'recovery' || name === 'state';
      add('partition', { kind: 'make-filesystem', device: path, filesystem, label, forBootLoader });
    }
  }
  const mounted: string[] = [];
  for (const name of ['efi', 'state', 'recovery', 'oem', 'persistent'] as const) {
    const partition = byName(name);
    if (!partition) continue;
    const options = name === 'efi' ? ['noatime', 'umask=0077'] : ['noatime'];
    const action = { device: partition.path, target: workMounts[name], type: partition.filesystem, options };
    add('partition', { kind: 'mount', ...action });
    mounted.push(workMounts[name]);
  }
  add(
    'before-install',
    { kind: 'stage', stage: 'before-install' },
    { kind: 'stop-if-asked', path: abortFile },
  );
  const loaderFile = bootloader.efi && `EFI/BOOT/${bootloader.efi.loaderName.toUpperCase()}`;
  if (wish.noFormat) {
    if (loaderFile && byName('efi'))
      add('active', { kind: 'remove', path: `${workMounts.efi}/${loaderFile}` });
    add(
      'active',
      { kind: 'remove', path: `${workMounts.state}/grub2/grub.cfg` },
      { kind: 'remove', path: `${workMounts.state}/cOS` },
      { kind: 'remove', path: `${workMounts.recovery}/cOS` },
    );
  }

  const copySlot = (phase: 'active' | 'passive' | 'recovery', from: string | undefined) => {
    const place = slotPlaces.find(({ slot }) => slot === phase);
    if (place) {
      add(phase, { kind: 'copy-slot', from, to: `${place.mount}${slotDirectory(phase)}`, size: slotSize });
    }
  };
  copySlot('active', undefined);
  for (const [name, text] of wish.oemFiles) write('active', `${workMounts.oem}/${name}`, encode(text), 0o640);

  const active = `${workMounts.state}${slotDirectory('active')}`;
  copySlot('recovery', active);
  copySlot('passive', active);

  const environment = (path: string, variables: GrubVariables) =>
    write('bootloader', path, formatGrubEnvironment(variables, path));
  // GRUB can change a block that is there, but not make one.
  environment(`${workMounts.oem}/grubenv`, wish.grubOptions);
  environment(`${workMounts.state}/grub_oem_env`, { default_menu_entry: title });
  environment(`${workMounts.state}/boot_assessment`, {});
  write('bootloader', `${workMounts.state}/grub2/grub.cfg`, bootloader.diskConfig);
  // For a node whose COS_STATE is lost.
  write('bootloader', `${workMounts.recovery}/grub2/grub.cfg`, bootloader.diskConfig);
  if (grub && bios)
    add('bootloader', { kind: 'write-device', device: bios.path, offset: 0, content: grub.core });
  const efiFiles =
    bootloader.efi && byName('efi')
      ? efiSystemFiles(bootloader.efi, menuStub('disk'))
      : new Map<string, Uint8Array>();
  for (const [path, content] of efiFiles) {
    if (path !== loaderFile) write('bootloader', `${workMounts.efi}/${path}`, content);
  }
  if (wish.chrootStage) {
    add('after-install', {
      ...{ kind: 'chroot-stage', stage: 'after-install-chroot', slot: active },
      binds: [
        { from: workMounts.oem, to: paths.oem },
        { from: workMounts.persistent, to: paths.persistent },
      ],
    });
  }
  if (wish.bundles && wish.bundles.targets.length > 0) {
    const { oem, persistent } = workMounts;
    add('after-install', { kind: 'bundles', ...wish.bundles, oem, persistent });
  }
  add(
    'after-install',
    { kind: 'stage', stage: 'after-install' },
    { kind: 'record', path: `${workMounts.persistent}/.kairos-state`, source: image.source },
  );
  // What firmware looks for comes last, when all that it leads to is on the disk and in its place: a power cut before
  // leaves a disk that does not start, and not a node without a fallback.
  for (const path of mounted.filter((one) => one !== workMounts.efi).toReversed()) {
    add('done', { kind: 'unmount', target: path });
  }
  const loader = loaderFile && efiFiles.get(loaderFile);
  if (loader) {
    // FAT keeps no order among the names of different files.
    add('done', { kind: 'checkpoint', mountPoint: workMounts.efi });
    write('done', `${workMounts.efi}/${loaderFile}`, loader);
  }
  if (mounted.includes(workMounts.efi)) add('done', { kind: 'unmount', target: workMounts.efi });
  if (grub) add('done', { kind: 'write-device', device: disk.path, offset: 0, content: grub.mbrCode });
  if (wish.ejects !== undefined) {
    write('done', ejectScript, encode(`#!/bin/sh\n[ "$1" = kexec ] || eject ${wish.ejects} || :\n`), 0o755);
  }
  add(
    'done',
    { kind: 'stage', stage: 'kairos-install.after' },
    { kind: 'hook', program: '/usr/bin/kairos-agent.install.after.hook' },
  );
  return {
    disk: { path: disk.path, size: disk.size, model: disk.model },
    image: {
      source: image.source,
      digest: image.digest,
      name: image.manifest.name,
      version: image.manifest.version,
      size: slotSize,
    },
    erases: wish.noFormat ? [] : whatIsThere(target),
    partitions: places.partitions.map(({ start: _, ...partition }) => partition),
    entries: entriesOf(title),
    steps,
    after: wish.after,
  };
}

function whatIsThere({ disk, signatures }: TargetDisk): string[] {
  const found = [disk, ...disk.partitions].flatMap(({ path }) =>
    signatures
      .filter(({ device }) => device === path)
      .map(({ type, label }) => `${path}: ${type}${label === '' ? '' : ` ${JSON.stringify(label)}`}`),
  );
  // A file system can have several signatures.
  return [...new Set(found)];
}
