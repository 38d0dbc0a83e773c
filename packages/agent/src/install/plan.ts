import { embedGrub } from '@kairos/artifacts/boot-sector';
import { type BootloaderPayload, efiSystemFiles, menuStub } from '@kairos/artifacts/bootloader-payload';
import { sfdiskScript } from '@kairos/artifacts/disk-layout';
import type { Architecture } from '@kairos/facts/architecture';
import { KairosError } from '@kairos/facts/errors';
import type { ImageManifest } from '@kairos/facts/image-manifest';
import { labels, partitionNames } from '@kairos/facts/labels';
import { paths } from '@kairos/facts/paths';
import { type SlotName, slotDirectory } from '@kairos/facts/slot';
import { formatGrubEnvironment, type GrubVariables } from '@kairos/host/grub-environment';
import type { Afterwards } from '../lifecycle.ts';
import { checkArchitecture } from '../slots/check-architecture.ts';
import { slotSize } from '../slots/size.ts';
import { workMounts } from '../slots/work-mounts.ts';
import {
  newPlaces,
  type PlacesWish,
  type PlannedPartition,
  partitionPath,
  preparedPlaces,
} from './places.ts';
import type { InstallAction, InstallPhase, InstallStep } from './step.ts';
import { checkDisk, type TargetDisk } from './target-disk.ts';

/** A stage or a script writes the reason here to stop the installation. */
export const abortFile = '/run/cos/fail_installation';

/** systemd runs what lies here when everything is unmounted, with how the machine ends as argument. */
const ejectScript = '/usr/lib/systemd/system-shutdown/eject';

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

export interface InstallWish extends PlacesWish {
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
  readonly after: Afterwards;
}

export interface BootEntry {
  readonly id: string;
  readonly title: string;
  /** Partition label and directory of the slot that it starts. */
  readonly slot: string;
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
  readonly after: Afterwards;
}

/** What runs before the disk is looked at, so that it may prepare the disk. */
export const preparation: readonly InstallAction[] = [
  { kind: 'stage', stage: 'kairos-install.pre' },
  { kind: 'hook', program: '/usr/bin/kairos-agent.install.pre.hook' },
];

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

const firmwareOf = (facts: InstallFacts, wish: InstallWish) => wish.firmware ?? facts.firmware;

function checkImage(facts: InstallFacts, wish: InstallWish): void {
  const { manifest, source } = facts.image;
  checkArchitecture(source, manifest, facts.architecture);
  const firmware = firmwareOf(facts, wish);
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
  const size = slotSize(image.files);
  const places = wish.noFormat
    ? preparedPlaces(target, firmwareOf(facts, wish), size)
    : newPlaces(target, wish, size);
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
      add(phase, { kind: 'copy-slot', from, to: `${place.mount}${slotDirectory(phase)}`, size });
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
      size,
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
