import type { Architecture } from '@kairos/facts/architecture';
import type { BootState } from '@kairos/facts/boot-state';
import { KairosError } from '@kairos/facts/errors';
import type { ImageManifest } from '@kairos/facts/image-manifest';
import { paths } from '@kairos/facts/paths';
import { slotFiles } from '@kairos/facts/slot';
import type { GrubVariables } from '@kairos/host/grub-environment';
import { assessment, resetTries } from './boot-choice.ts';
import type { BootloaderStep } from './bootloader-update.ts';
import { checkArchitecture } from './check-architecture.ts';
import { checkSlotFiles } from './check-slot-files.ts';
import {
  type ErasedPartition,
  type ResetJournal,
  type ResetWish,
  resetJournalName,
} from './reset-journal.ts';
import { type DataPartition, makeAnew } from './reset-partition.ts';
import { drop, planSlots, type ResetSlots } from './reset-slots.ts';
import type { ResetAction, ResetPhase, ResetStep } from './reset-step.ts';
import { type ResetSummary, summarizeReset } from './reset-summary.ts';
import { slotSize } from './slot-size.ts';
import { journalName } from './upgrade-journal.ts';
import { workMounts } from './work-mounts.ts';

export interface ResetFacts extends ResetSlots {
  readonly bootState: BootState;
  readonly architecture: Architecture;
  /** RFC 3339. */
  readonly now: string;
  readonly image: ResetSlots['image'] & {
    readonly manifest: ImageManifest;
    /** Its files lie on this machine, and need not be fetched. */
    readonly isLocal: boolean;
  };
  readonly state: ResetSlots['state'] & {
    readonly device: string;
    readonly mountPoint: string;
    /** The boot loader has the mark of a reset there. */
    readonly marked: boolean;
    /** Why its file system cannot be used; it is made anew then. */
    readonly damage: string | undefined;
  };
  /** The partition that recovery runs from. While `COS_STATE` is made anew, the boot loader reads its mark there. */
  readonly recovery: { readonly mountPoint: string; readonly marked: boolean };
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

export interface ResetPlan extends ResetSummary {
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
  readonly space: { readonly needed: number; readonly available: number };
  readonly steps: readonly ResetStep[];
  readonly after: ResetWish['after'];
}

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
  const size = slotSize(image.files);
  const work = planSlots(facts);
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

  const { erases: lost, keeps, notes } = summarizeReset(facts, wish, pending?.formatted ?? [], work);
  return {
    image: {
      source: image.source,
      digest: image.manifestDigest,
      name: image.manifest.name,
      version: image.manifest.version,
      size,
    },
    resumes: pending !== undefined,
    erases: lost,
    keeps,
    space: { needed: work.needed, available: work.available },
    notes,
    steps,
    after: wish.after,
  };
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
