import type { Architecture } from '@kairos/facts/architecture';
import type { BootState } from '@kairos/facts/boot-state';
import { KairosError } from '@kairos/facts/errors';
import type { ImageManifest } from '@kairos/facts/image-manifest';
import { paths } from '@kairos/facts/paths';
import { formatSize, MiB } from '@kairos/facts/size';
import { slotFiles } from '@kairos/facts/slot';
import type { GrubVariables } from '@kairos/host/grub-environment';
import { assessment, resetTries } from './boot-choice.ts';
import type { BootloaderStep } from './bootloader-update.ts';
import { checkArchitecture } from './check-architecture.ts';
import { checkSlotFiles } from './check-slot-files.ts';
import type { InstallAction } from './install-step.ts';
import { discardPrefix, type SlotAction } from './leftovers.ts';
import {
  type ErasedPartition,
  type ResetJournal,
  type ResetWish,
  resetJournalName,
} from './reset-journal.ts';
import type { SlotView } from './slot-view.ts';
import { journalName } from './upgrade-journal.ts';
import type { UpgradeAction } from './upgrade-step.ts';
import { workMounts } from './work-mounts.ts';

/** Parts of a reset, for progress. */
export type ResetPhase =
  | 'prepare'
  | 'copy'
  | 'format'
  | 'before-reset'
  | 'active'
  | 'passive'
  | 'bootloader'
  | 'after-reset'
  | 'done';

/** One step, as data. Whoever carries it out needs nothing else but the image. */
export type ResetAction =
  | Extract<
      InstallAction,
      {
        kind:
          | 'stage'
          | 'chroot-stage'
          | 'hook'
          | 'remove'
          | 'write-file'
          | 'write-device'
          | 'make-filesystem'
          | 'mount';
      }
    >
  | Extract<UpgradeAction, { kind: 'make-writable' | 'copy-image' | 'set-environment' }>
  | SlotAction
  | BootloaderStep
  /** Reads every byte of the image, before what cannot be had back is given up for it. */
  | { readonly kind: 'verify-image'; readonly size: number }
  | { readonly kind: 'write-reset-journal'; readonly path: string; readonly journal: ResetJournal }
  /**
   * Lets the default entry start again. A block of the user that cannot be written is overruled in the one of the
   * installation, which GRUB reads after it.
   */
  | { readonly kind: 'forget-entries'; readonly user: string | undefined; readonly installation: string }
  /** Unmounts a file system that is about to be made anew. */
  | { readonly kind: 'detach'; readonly target: string }
  /** Mounts where the running system has it, to stay. */
  | { readonly kind: 'attach'; readonly device: string; readonly target: string; readonly type: string }
  | {
      readonly kind: 'record-reset';
      readonly path: string;
      readonly source: string;
      readonly previous: ResetJournal['record'];
    };

export type ResetStep = ResetAction & { readonly phase: ResetPhase };

export interface SlotNow {
  readonly there: boolean;
  readonly slot: SlotView | undefined;
  /** Why it cannot be started. */
  readonly damage: string | undefined;
  /** Bytes. */
  readonly size: number;
}

/** A partition beside the slots as it was found. */
export interface DataPartition {
  readonly device: string;
  readonly filesystem: ResetFilesystem;
  /** Why its file system cannot be read. */
  readonly damage: string | undefined;
  readonly mountPoints: readonly string[];
  /** Where its files are while the reset works, if they can be reached. */
  readonly place: string | undefined;
}
export type ResetFilesystem = Extract<InstallAction, { kind: 'make-filesystem' }>['filesystem'];

export interface ResetFacts {
  readonly bootState: BootState;
  readonly architecture: Architecture;
  /** RFC 3339. */
  readonly now: string;
  readonly image: {
    readonly source: string;
    /** Digest of `image.json`. */
    readonly manifestDigest: string;
    readonly manifest: ImageManifest;
    readonly files: ReadonlyMap<string, number>;
    /** Its files lie on this machine, and need not be fetched. */
    readonly isLocal: boolean;
  };
  readonly state: {
    readonly device: string;
    readonly mountPoint: string;
    /** The boot loader has the mark of a reset there. */
    readonly marked: boolean;
    /** Why its file system cannot be used; it is made anew then. */
    readonly damage: string | undefined;
    /** Bytes that are free on it, or would be on a new one. */
    readonly free: number;
  };
  /** The partition that recovery runs from. While `COS_STATE` is made anew, the boot loader reads its mark there. */
  readonly recovery: { readonly mountPoint: string; readonly marked: boolean };
  readonly active: SlotNow;
  readonly passive: SlotNow;
  readonly transition: {
    readonly there: boolean;
    readonly size: number;
    /** Files of the image that are there already, read and right. */
    readonly present: readonly string[];
    /** Bytes of files of the image that are there in part. */
    readonly partial: Readonly<Record<string, number>>;
  };
  readonly discarded: readonly { readonly name: string; readonly size: number }[];
  /** An interrupted upgrade has left its journal. */
  readonly upgradeJournal: boolean;
  /** A reset that was begun and whose mark the boot loader still has. */
  readonly pending: ResetJournal | undefined;
  readonly persistent: DataPartition | undefined;
  readonly oem: DataPartition | undefined;
  /** GRUB has a menu on `COS_STATE`. */
  readonly menuThere: boolean;
  readonly userEnvironment: GrubVariables;
  readonly installationEnvironment: GrubVariables;
  readonly bootloader: { readonly steps: readonly BootloaderStep[]; readonly notes: readonly string[] };
  /** Other partitions that are written to and mounted read-only. */
  readonly otherMounts: readonly string[];
  readonly record: ResetJournal['record'];
}

export interface ResetPlan {
  readonly image: {
    readonly source: string;
    readonly digest: string;
    readonly name: string;
    readonly version: string;
    /** Bytes of a slot. */
    readonly size: number;
  };
  /** A reset that was cut off goes on. */
  readonly resumes: boolean;
  readonly erases: readonly string[];
  readonly keeps: readonly string[];
  readonly space: { readonly needed: number; readonly available: number };
  readonly notes: readonly string[];
  readonly steps: readonly ResetStep[];
  readonly after: ResetWish['after'];
}

/** Directories, and files rounded up to blocks. */
const overhead = MiB;

/** @throws KairosError `RESET_NOT_IN_RECOVERY` */
export function checkResetBootState(state: BootState): void {
  if (state === 'recovery' || state === 'autoreset') return;
  throw new KairosError(
    'RESET_NOT_IN_RECOVERY',
    `A reset makes the system anew that the machine runs from (${state}); it works from recovery`,
    {
      exit: 'wrongState',
      hint:
        state === 'livecd' || state === 'unknown'
          ? 'Choose "state reset" or "recovery" in the boot menu of the installed disk'
          : 'kairos-agent bootentry --select statereset, then restart: the reset runs by itself. With --select recovery it can be run by hand',
    },
  );
}

function checkImage({ image, architecture }: ResetFacts): void {
  const { manifest, source, files } = image;
  checkArchitecture(source, manifest, architecture);
  checkSlotFiles(source, files);
}

/** What the slots need: which are written, and which have to go first where there is no room beside them. */
interface SlotWork {
  readonly active: boolean;
  readonly passive: boolean;
  readonly present: readonly string[];
  readonly partial: Readonly<Record<string, number>>;
  /** Before the copy of the active slot. */
  readonly dropFirst: readonly ('active' | 'passive')[];
  /** The passive slot goes before its successor is copied; the active one is new and whole by then. */
  readonly dropPassive: boolean;
  readonly needed: number;
  readonly available: number;
}

/**
 * Where there is no room for a third slot, one that cannot be started goes first, else the passive one: on `COS_STATE`
 * a whole slot stays as long as there was one.
 */
function slotWork(facts: ResetFacts, size: number): SlotWork {
  const { image, active, passive, transition } = facts;
  const isNew = (slot: SlotNow) =>
    slot.there && slot.damage === undefined && slot.slot?.digest === image.manifestDigest;
  const work = { active: !isNew(active), passive: !isNew(passive) };
  const sizeOf = (names: readonly string[]) =>
    names.reduce((sum, name) => sum + (image.files.get(name) ?? 0), 0);
  const discarded = facts.discarded.reduce((sum, one) => sum + one.size, 0);
  // The journal comes first and needs room; what was copied already gives way to it.
  const hasRoom = facts.state.free + discarded >= overhead;
  const continues = (work.active || work.passive) && hasRoom;
  const [present, partial] = continues ? [transition.present, transition.partial] : [[], {}];
  const first = size - sizeOf(present) + overhead;
  const whole = (slot: SlotNow) => slot.there && slot.damage === undefined;
  let free = facts.state.free + discarded + transition.size - sizeOf(present);
  const dropFirst: ('active' | 'passive')[] = [];
  let needed = 0;
  let available = 0;
  const need = (bytes: number) => {
    if (bytes - free > needed - available || needed === 0) [needed, available] = [bytes, free];
  };
  need(overhead);
  let passiveSize = passive.size;
  if (work.active) {
    const expendable = [
      ...(active.there && !whole(active) ? (['active'] as const) : []),
      ...(passive.there && (!whole(passive) || whole(active)) ? (['passive'] as const) : []),
    ];
    for (const slot of expendable) {
      if (first <= free) break;
      dropFirst.push(slot);
      free += facts[slot].size;
      if (slot === 'passive') passiveSize = 0;
    }
    need(first);
    free += (dropFirst.includes('active') ? 0 : active.size) - (first - overhead);
  }
  const dropped = dropFirst.includes('passive');
  const makesPassive = work.passive || dropped;
  const second = work.active ? size + overhead : first;
  const dropPassive = makesPassive && !dropped && passive.there && second > free;
  if (dropPassive) free += passiveSize;
  if (makesPassive) need(second);
  available = Math.max(0, available);
  return {
    active: work.active,
    passive: makesPassive,
    present,
    partial,
    dropFirst,
    dropPassive,
    needed,
    available,
  };
}

/** How a partition beside the slots fares, in words. */
function fate(
  { erased, done }: { readonly erased: boolean; readonly done: boolean },
  partition: DataPartition | undefined,
  words: { readonly label: string; readonly holds: string },
): {
  readonly erases: readonly string[];
  readonly keeps: readonly string[];
  readonly notes: readonly string[];
} {
  const { label, holds } = words;
  if (!partition) {
    return {
      erases: [],
      keeps: [],
      notes: [`The disk has no partition ${label}; the reset goes without it`],
    };
  }
  const text = `${label} (${partition.device}): ${holds}`;
  if (erased && done) return { erases: [], keeps: [], notes: [`${label} was made anew already`] };
  if (erased) return { erases: [text], keeps: [], notes: [] };
  return {
    erases: [],
    keeps: [text],
    notes:
      partition.damage === undefined
        ? []
        : [`${label} stays as it is and cannot be read: ${partition.damage}`],
  };
}

/**
 * Plans a reset without touching anything. What is there already, by its digest and by the journal, is not done again,
 * so the plan of a reset that was cut off is what remains of it.
 * @param wish of a reset that goes on, the one of its journal
 * @throws KairosError where it is refused: `RESET_NOT_IN_RECOVERY`, `WRONG_ARCHITECTURE`, `SLOT_INCOMPLETE`,
 *   `SLOT_FILE_NAME`, `NO_SPACE`
 */
export function planReset(
  facts: ResetFacts,
  wish: ResetWish,
  options: {
    /** A reset that was cut off goes on. */
    readonly resumes: boolean;
    /** Whether there are steps for the stage `after-reset-chroot`. */
    readonly chrootStage?: boolean;
  },
): ResetPlan {
  const { resumes } = options;
  checkResetBootState(facts.bootState);
  checkImage(facts);
  const { image, state, persistent, oem } = facts;
  const { mountPoint } = state;
  const cos = `${mountPoint}/cOS`;
  const pending = resumes ? facts.pending : undefined;
  const size = [...image.files.values()].reduce((sum, one) => sum + one, 0);
  const work = slotWork(facts, size);
  if (work.needed > work.available) {
    throw new KairosError(
      'NO_SPACE',
      `${image.source} needs ${formatSize(work.needed)} on COS_STATE, which has ${formatSize(work.available)} for it`,
      {
        exit: 'noSpace',
        hint: 'The partition was made for the image that was installed; give a smaller one with --source, or install anew',
        details: { needed: work.needed, available: work.available },
      },
    );
  }

  const steps: ResetStep[] = [];
  const add = (phase: ResetPhase, ...actions: ResetAction[]) =>
    steps.push(...actions.map((action) => ({ ...action, phase })));
  const checkpoint: ResetAction = { kind: 'checkpoint', mountPoint };
  let journal: ResetJournal = {
    schemaVersion: 1,
    status: 'running',
    begun: true,
    started: pending?.started ?? facts.now,
    finished: null,
    wish,
    formatted: pending?.formatted ?? [],
    failure: null,
    record: pending?.record ?? facts.record ?? facts.pending?.record ?? null,
  };
  const note = (phase: ResetPhase, changes: Partial<ResetJournal>, place = mountPoint) => {
    journal = { ...journal, ...changes };
    add(phase, { kind: 'write-reset-journal', path: `${place}/${resetJournalName}`, journal });
  };
  const setAssessment = (changes: GrubVariables, place = mountPoint): ResetAction => ({
    ...{ kind: 'set-environment', path: `${place}/boot_assessment`, changes, own: true },
  });
  const mark: GrubVariables = { [assessment.reset]: String(resetTries) };
  const { recovery } = facts;
  const marksRecovery = state.damage !== undefined;
  const erases = (what: ErasedPartition) =>
    (what === 'oem' ? wish.resetOem : wish.resetPersistent) && facts[what] !== undefined;
  const formats = (what: ErasedPartition) => erases(what) && !journal.formatted.includes(what);

  if (pending?.status !== 'done') {
    add(
      'prepare',
      { kind: 'stage', stage: 'kairos-reset.pre' },
      { kind: 'hook', program: '/usr/bin/kairos-agent.reset.pre.hook' },
    );
    if (state.damage !== undefined) {
      const { device } = state;
      add('prepare', { kind: 'verify-image', size });
      add('prepare', { kind: 'make-writable', mountPoint: recovery.mountPoint });
      note('prepare', {}, recovery.mountPoint);
      if (!recovery.marked) add('prepare', setAssessment(mark, recovery.mountPoint));
      add(
        'prepare',
        { kind: 'checkpoint', mountPoint: recovery.mountPoint },
        {
          ...{ kind: 'make-filesystem', device, filesystem: 'ext4', label: 'COS_STATE' },
          forBootLoader: true,
        },
        { kind: 'mount', device, target: mountPoint, type: 'ext4', options: ['noatime'] },
      );
    }
  }
  if (state.damage === undefined) add('prepare', { kind: 'make-writable', mountPoint });
  for (const other of facts.otherMounts) add('prepare', { kind: 'make-writable', mountPoint: other });

  if (pending?.status !== 'done') {
    // What nobody starts goes first: it may be what takes the room for the journal.
    const scraps = facts.discarded.map(({ name }) => name);
    const isScrap = work.present.length === 0 && Object.keys(work.partial).length === 0;
    if (facts.transition.there && isScrap) scraps.push('transition');
    for (const name of scraps) add('prepare', { kind: 'remove', path: `${cos}/${name}` });
    if (wish.entryName !== null || state.damage !== undefined) {
      add('prepare', {
        kind: 'set-environment',
        path: `${mountPoint}/grub_oem_env`,
        changes: { default_menu_entry: wish.entryName ?? 'Kairos' },
        own: state.damage !== undefined,
      });
    }
    note('prepare', {});
    if (!pending || !state.marked) add('prepare', setAssessment(mark));
    // A menu that is missing comes when what it reads is there: until then the one on recovery counts, with the mark
    // there. Else it comes last: what goes on after a power cut is the boot loader that began.
    const menuFirst = !facts.menuThere;
    if (menuFirst) add('prepare', ...facts.bootloader.steps);
    add('prepare', checkpoint);

    // From here on the boot loader starts the reset again until it is done.
    if (facts.upgradeJournal) add('copy', { kind: 'remove', path: `${cos}/${journalName}` });
    for (const slot of work.dropFirst) add('copy', ...drop(cos, mountPoint, slot));
    const copyImage = (phase: ResetPhase, present: readonly string[]) => {
      const there = present.reduce((sum, name) => sum + (image.files.get(name) ?? 0), 0);
      // What was fetched for the active slot is not fetched again.
      const fetched = phase === 'passive' && !image.isLocal ? [...image.files.keys()] : [];
      const local = Object.fromEntries(
        fetched.filter((name) => name !== slotFiles.manifest).map((name) => [name, `${cos}/active/${name}`]),
      );
      const partial = present === work.present ? work.partial : {};
      const to = `${cos}/transition`;
      add(phase, { kind: 'copy-image', to, size: size - there, present, partial, local });
    };
    // Nothing is erased before there is a new system, whole and read back.
    if (work.active) copyImage('copy', work.present);

    if (formats('persistent') && persistent) {
      add('format', ...makeAnew(persistent, 'COS_PERSISTENT', false));
      note('format', { formatted: [...journal.formatted, 'persistent'] });
    }
    if (formats('oem') && oem) {
      add('format', ...makeAnew(oem, 'COS_OEM', true));
      add('format', { kind: 'attach', device: oem.device, target: paths.oem, type: oem.filesystem });
      // GRUB can change a block that is there, but not make one.
      add('format', { kind: 'set-environment', path: `${paths.oem}/grubenv`, changes: {}, own: true });
      note('format', { formatted: [...journal.formatted, 'oem'] });
    }
    add('before-reset', { kind: 'stage', stage: 'before-reset' });

    const giveName = (name: 'active' | 'passive', there: boolean) =>
      add(
        name,
        there
          ? { kind: 'exchange', a: `${cos}/transition`, b: `${cos}/${name}` }
          : { kind: 'rename', from: `${cos}/transition`, to: `${cos}/${name}` },
        checkpoint,
        { kind: 'remove', path: `${cos}/transition` },
      );
    if (work.active) giveName('active', facts.active.there && !work.dropFirst.includes('active'));
    if (work.dropPassive) add('passive', ...drop(cos, mountPoint, 'passive'));
    if (work.passive) {
      copyImage('passive', work.active ? [] : work.present);
      giveName('passive', facts.passive.there && !work.dropPassive && !work.dropFirst.includes('passive'));
    }
    if (!menuFirst && facts.bootloader.steps.length > 0) {
      add('bootloader', ...facts.bootloader.steps, checkpoint);
    }

    const recordPlace = recordPlaceOf(facts, erases('persistent'));
    if (recordPlace?.mount && persistent) {
      const { device, filesystem: type } = persistent;
      add('after-reset', { kind: 'mount', device, target: recordPlace.path, type, options: ['noatime'] });
    } else if (recordPlace) add('after-reset', { kind: 'make-writable', mountPoint: recordPlace.path });
    if (options.chrootStage) {
      const oemPlace = oem && (erases('oem') ? paths.oem : oem.place);
      add('after-reset', {
        ...{ kind: 'chroot-stage', stage: 'after-reset-chroot', slot: `${cos}/active` },
        binds: [
          ...(oemPlace === undefined ? [] : [{ from: oemPlace, to: paths.oem }]),
          ...(recordPlace === undefined ? [] : [{ from: recordPlace.path, to: paths.persistent }]),
        ],
      });
    }
    add('after-reset', { kind: 'stage', stage: 'after-reset' });
    if (recordPlace) {
      add('after-reset', {
        kind: 'record-reset',
        path: `${recordPlace.path}/.kairos-state`,
        source: image.source,
        previous: journal.record,
      });
    }
    add(
      'after-reset',
      { kind: 'stage', stage: 'kairos-reset.after' },
      { kind: 'hook', program: '/usr/bin/kairos-agent.reset.after.hook' },
    );
  }

  // A saved entry would lead past the new system, or into the next reset.
  const user = oem?.place === undefined || erases('oem') ? undefined : `${oem.place}/grubenv`;
  const saved = (variables: GrubVariables) =>
    ['next_entry', 'saved_entry'].some((name) => Boolean(variables[name]));
  const hasSaved = user !== undefined && saved(facts.userEnvironment);
  if (hasSaved && oem?.place !== undefined) add('done', { kind: 'make-writable', mountPoint: oem.place });
  if (hasSaved || saved(facts.installationEnvironment)) {
    add('done', {
      kind: 'forget-entries',
      user: hasSaved ? user : undefined,
      installation: `${mountPoint}/grub_oem_env`,
    });
  }
  // Done first, then the mark: cut off in between, the next start finds nothing to do but this.
  note('done', { status: 'done' });
  const count = wish.tries === 0 ? '' : String(wish.tries);
  add(
    'done',
    setAssessment({
      [assessment.reset]: '',
      [assessment.tries]: count,
      [assessment.fallbackTries]: count,
      [assessment.failed]: '',
    }),
    checkpoint,
  );
  if (marksRecovery || recovery.marked) {
    if (!marksRecovery) add('done', { kind: 'make-writable', mountPoint: recovery.mountPoint });
    add(
      'done',
      setAssessment({ [assessment.reset]: '' }, recovery.mountPoint),
      { kind: 'remove', path: `${recovery.mountPoint}/${resetJournalName}` },
      { kind: 'checkpoint', mountPoint: recovery.mountPoint },
    );
  }

  const fates = [
    fate(
      { erased: wish.resetPersistent, done: pending?.formatted.includes('persistent') ?? false },
      persistent,
      { label: 'COS_PERSISTENT', holds: 'all data, /home, /usr/local, persistent parts of /etc and /var' },
    ),
    fate({ erased: wish.resetOem, done: pending?.formatted.includes('oem') ?? false }, oem, {
      label: 'COS_OEM',
      holds: 'cloud-config, users, boot options',
    }),
  ];
  const words = (slot: SlotNow) =>
    slot.slot ? `${slot.slot.manifest.name} ${slot.slot.manifest.version}` : 'what cannot be read';
  return {
    image: {
      source: image.source,
      digest: image.manifestDigest,
      name: image.manifest.name,
      version: image.manifest.version,
      size,
    },
    resumes: pending !== undefined,
    erases: [
      ...fates.flatMap((one) => one.erases),
      ...(state.damage === undefined
        ? (['active', 'passive'] as const)
            .filter((slot) => work[slot] && facts[slot].there)
            .map((slot) => `The ${slot} system: ${words(facts[slot])}`)
        : [`COS_STATE (${state.device}): the active and the passive system, options of the boot menu`]),
    ],
    keeps: fates.flatMap((one) => one.keeps),
    space: { needed: work.needed, available: work.available },
    notes: [
      ...(state.damage === undefined ? [] : [`The file system of COS_STATE is made anew: ${state.damage}`]),
      ...fates.flatMap((one) => one.notes),
      ...(wish.resetOem
        ? [
            'Users and settings of the cloud-config on COS_OEM go with it: the node starts with what its image and its data source give',
          ]
        : []),
      ...(work.dropFirst.length > 0 || work.dropPassive
        ? ['COS_STATE has no room for a third slot, so a slot goes before its successor is copied']
        : []),
      ...facts.bootloader.notes,
    ],
    steps,
    after: wish.after,
  };
}

/** A slot goes: first its name, so that half a slot is never taken for a whole one. */
function drop(cos: string, mountPoint: string, slot: 'active' | 'passive'): ResetAction[] {
  const to = `${cos}/${discardPrefix}${slot}`;
  return [
    { kind: 'rename', from: `${cos}/${slot}`, to },
    { kind: 'checkpoint', mountPoint },
    { kind: 'remove', path: to },
  ];
}

function makeAnew(partition: DataPartition, label: string, forBootLoader: boolean): ResetAction[] {
  const { device, filesystem } = partition;
  return [
    ...partition.mountPoints.map((target): ResetAction => ({ kind: 'detach', target })),
    { kind: 'make-filesystem', device, filesystem, label, forBootLoader },
  ];
}

/** Where `.kairos-state` goes; `mount` where that has to be mounted first. */
function recordPlaceOf(
  { persistent }: ResetFacts,
  erased: boolean,
): { readonly path: string; readonly mount: boolean } | undefined {
  if (!persistent) return undefined;
  if (erased) return { path: workMounts.persistent, mount: true };
  return persistent.place === undefined ? undefined : { path: persistent.place, mount: false };
}
