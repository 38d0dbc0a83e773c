import type { Architecture } from '@kairos/facts/architecture';
import type { BootState } from '@kairos/facts/boot-state';
import type { ImageManifest } from '@kairos/facts/image-manifest';
import { paths } from '@kairos/facts/paths';
import { slotFiles } from '@kairos/facts/slot';
import type { GrubVariables } from '@kairos/host/grub-environment';
import type { BootloaderStep } from '../boot/bootloader-update.ts';
import { assessment, resetTries } from '../boot/choice.ts';
import { slotSize } from '../slots/size.ts';
import { workMounts } from '../slots/work-mounts.ts';
import { journalName } from '../upgrade/journal.ts';
import { type ErasedPartition, type ResetJournal, type ResetWish, resetJournalName } from './journal.ts';
import { type DataPartition, makeAnew } from './partition.ts';
import { drop, type ResetSlots, type SlotWork } from './slots.ts';
import type { ResetAction, ResetPhase, ResetStep } from './step.ts';

/** What a reset is planned from. */
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

/** Has the boot loader start the reset again. */
const mark: GrubVariables = { [assessment.reset]: String(resetTries), [assessment.resetChosen]: '' };

/** Puts the steps of a reset in order, and keeps the journal as it is at that point. Its methods are its parts. */
export class ResetOrder {
  readonly steps: ResetStep[] = [];
  private journal: ResetJournal;
  private readonly cos: string;
  private readonly checkpoint: ResetAction;

  constructor(
    private readonly facts: ResetFacts,
    private readonly wish: ResetWish,
    private readonly work: SlotWork,
    private readonly pending: ResetJournal | undefined,
  ) {
    const { mountPoint } = facts.state;
    this.cos = `${mountPoint}/cOS`;
    this.checkpoint = { kind: 'checkpoint', mountPoint };
    this.journal = {
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
  }

  private add(phase: ResetPhase, ...actions: ResetAction[]): void {
    this.steps.push(...actions.map((action) => ({ ...action, phase })));
  }

  private note(phase: ResetPhase, changes: Partial<ResetJournal>, place = this.facts.state.mountPoint): void {
    const journal = { ...this.journal, ...changes };
    this.journal = journal;
    this.add(phase, { kind: 'write-reset-journal', path: `${place}/${resetJournalName}`, journal });
  }

  private setAssessment(
    phase: ResetPhase,
    changes: GrubVariables,
    place = this.facts.state.mountPoint,
  ): void {
    this.add(phase, {
      ...{ kind: 'set-environment', path: `${place}/boot_assessment`, changes, own: true },
    });
  }

  private erases(what: ErasedPartition): boolean {
    const isWished = what === 'oem' ? this.wish.resetOem : this.wish.resetPersistent;
    return isWished && this.facts[what] !== undefined;
  }

  private formats(what: ErasedPartition): boolean {
    return this.erases(what) && !this.journal.formatted.includes(what);
  }

  /** What comes before anything is read or written for good. */
  begin(): void {
    this.add(
      'prepare',
      { kind: 'stage', stage: 'kairos-reset.pre' },
      { kind: 'hook', program: '/usr/bin/kairos-agent.reset.pre.hook' },
    );
  }

  /** A state partition whose file system cannot be used gets a new one. */
  makeState(): void {
    const { recovery, state, image } = this.facts;
    const { device, mountPoint: target } = state;
    this.add('prepare', { kind: 'verify-image', size: slotSize(image.files) });
    this.add('prepare', { kind: 'make-writable', mountPoint: recovery.mountPoint });
    this.note('prepare', {}, recovery.mountPoint);
    if (!recovery.marked) this.setAssessment('prepare', mark, recovery.mountPoint);
    this.add(
      'prepare',
      { kind: 'checkpoint', mountPoint: recovery.mountPoint },
      {
        ...{ kind: 'make-filesystem', device, filesystem: 'ext4', label: 'COS_STATE' },
        forBootLoader: true,
      },
      { kind: 'mount', device, target, type: 'ext4', options: ['noatime'] },
    );
  }

  /** What is written to is writable until the end. */
  makeWritable(): void {
    const { state, otherMounts } = this.facts;
    if (state.damage === undefined)
      this.add('prepare', { kind: 'make-writable', mountPoint: state.mountPoint });
    for (const other of otherMounts) {
      this.add('prepare', { kind: 'make-writable', mountPoint: other, optional: true });
    }
  }

  /** From then on the boot loader starts the reset again until it is done. */
  markBegun(): void {
    const { facts, wish, work, cos } = this;
    const { state } = facts;
    // What nobody starts goes first: it may be what takes the room for the journal.
    const scraps = facts.discarded.map(({ name }) => name);
    const isScrap = work.present.length === 0 && Object.keys(work.partial).length === 0;
    if (facts.transition.there && isScrap) scraps.push('transition');
    for (const name of scraps) this.add('prepare', { kind: 'remove', path: `${cos}/${name}` });
    if (wish.entryName !== null || state.damage !== undefined) {
      this.add('prepare', {
        kind: 'set-environment',
        path: `${state.mountPoint}/grub_oem_env`,
        changes: { default_menu_entry: wish.entryName ?? 'Kairos' },
        own: state.damage !== undefined,
      });
    }
    this.note('prepare', {});
    if (!this.pending || !state.marked) this.setAssessment('prepare', mark);
    // A menu that is missing comes when what it reads is there: until then the one on recovery counts, with the mark
    // there. Else it comes last: what goes on after a power cut is the boot loader that began.
    if (!facts.menuThere) this.add('prepare', ...facts.bootloader.steps);
    this.add('prepare', this.checkpoint);
  }

  private copyImage(phase: ResetPhase, present: readonly string[]): void {
    const { image } = this.facts;
    const there = present.reduce((sum, name) => sum + (image.files.get(name) ?? 0), 0);
    // What was fetched for the active slot is not fetched again.
    const fetched = phase === 'passive' && !image.isLocal ? [...image.files.keys()] : [];
    const local = Object.fromEntries(
      fetched
        .filter((name) => name !== slotFiles.manifest)
        .map((name) => [name, `${this.cos}/active/${name}`]),
    );
    const partial = present === this.work.present ? this.work.partial : {};
    const to = `${this.cos}/transition`;
    const size = slotSize(image.files) - there;
    this.add(phase, { kind: 'copy-image', to, size, present, partial, local });
  }

  /** Nothing is erased before there is a new system, whole and read back. */
  copyActive(): void {
    const { cos, work } = this;
    const { state, upgradeJournal } = this.facts;
    if (upgradeJournal) this.add('copy', { kind: 'remove', path: `${cos}/${journalName}` });
    for (const slot of work.dropFirst) this.add('copy', ...drop(cos, state.mountPoint, slot));
    if (work.active) this.copyImage('copy', work.present);
  }

  /** Partitions beside the slots that go are made anew, each noted when it is done. */
  formatPartitions(): void {
    const { persistent, oem } = this.facts;
    if (this.formats('persistent') && persistent) {
      this.add('format', ...makeAnew(persistent, 'COS_PERSISTENT', false));
      this.note('format', { formatted: [...this.journal.formatted, 'persistent'] });
    }
    if (this.formats('oem') && oem) {
      this.add('format', ...makeAnew(oem, 'COS_OEM', true));
      this.add('format', { kind: 'attach', device: oem.device, target: paths.oem, type: oem.filesystem });
      // GRUB can change a block that is there, but not make one.
      this.add('format', { kind: 'set-environment', path: `${paths.oem}/grubenv`, changes: {}, own: true });
      this.note('format', { formatted: [...this.journal.formatted, 'oem'] });
    }
    this.add('before-reset', { kind: 'stage', stage: 'before-reset' });
  }

  private giveName(name: 'active' | 'passive', there: boolean): void {
    const { cos } = this;
    this.add(
      name,
      // What the name will stand for has to be at its place first: the boot loader does not read the journal.
      this.checkpoint,
      there
        ? { kind: 'exchange', a: `${cos}/transition`, b: `${cos}/${name}` }
        : { kind: 'rename', from: `${cos}/transition`, to: `${cos}/${name}` },
      this.checkpoint,
      { kind: 'remove', path: `${cos}/transition` },
    );
  }

  /** The new system gets its name, then its fallback is made, then the boot loader is that of the image. */
  putInPlace(): void {
    const { facts, work, cos } = this;
    const { active, passive, state, menuThere, bootloader } = facts;
    if (work.active) this.giveName('active', active.there && !work.dropFirst.includes('active'));
    if (work.dropPassive) this.add('passive', ...drop(cos, state.mountPoint, 'passive'));
    if (work.passive) {
      this.copyImage('passive', work.active ? [] : work.present);
      this.giveName('passive', passive.there && !work.dropPassive && !work.dropFirst.includes('passive'));
    }
    if (menuThere && bootloader.steps.length > 0) {
      this.add('bootloader', ...bootloader.steps, this.checkpoint);
    }
  }

  /** Stages behind the reset, and the record of it. */
  conclude(chrootStage: boolean): void {
    const { facts, cos } = this;
    const { persistent, oem, image } = facts;
    const recordPlace = recordPlaceOf(facts, this.erases('persistent'));
    if (recordPlace?.mount && persistent) {
      const { device, filesystem: type } = persistent;
      this.add('after-reset', {
        ...{ kind: 'mount', device, target: recordPlace.path, type, options: ['noatime'] },
      });
    } else if (recordPlace) {
      this.add('after-reset', { kind: 'make-writable', mountPoint: recordPlace.path, optional: true });
    }
    if (chrootStage) {
      const oemPlace = oem && (this.erases('oem') ? paths.oem : oem.place);
      this.add('after-reset', {
        ...{ kind: 'chroot-stage', stage: 'after-reset-chroot', slot: `${cos}/active` },
        binds: [
          ...(oemPlace === undefined ? [] : [{ from: oemPlace, to: paths.oem }]),
          ...(recordPlace === undefined ? [] : [{ from: recordPlace.path, to: paths.persistent }]),
        ],
      });
    }
    this.add('after-reset', { kind: 'stage', stage: 'after-reset' });
    if (recordPlace) {
      this.add('after-reset', {
        kind: 'record-reset',
        path: `${recordPlace.path}/.kairos-state`,
        source: image.source,
        previous: this.journal.record,
      });
    }
    this.add(
      'after-reset',
      { kind: 'stage', stage: 'kairos-reset.after' },
      { kind: 'hook', program: '/usr/bin/kairos-agent.reset.after.hook' },
    );
  }

  /** A saved entry would lead past the new system, or into the next reset. */
  forgetEntries(): void {
    const { oem, userEnvironment, installationEnvironment, state } = this.facts;
    const user = oem?.place === undefined || this.erases('oem') ? undefined : `${oem.place}/grubenv`;
    const saved = (variables: GrubVariables) =>
      ['next_entry', 'saved_entry'].some((name) => Boolean(variables[name]));
    const hasSaved = user !== undefined && saved(userEnvironment);
    if (hasSaved && oem?.place !== undefined) {
      this.add('done', { kind: 'make-writable', mountPoint: oem.place, optional: true });
    }
    if (hasSaved || saved(installationEnvironment)) {
      this.add('done', {
        kind: 'forget-entries',
        user: hasSaved ? user : undefined,
        installation: `${state.mountPoint}/grub_oem_env`,
      });
    }
  }

  /** Done first, then the mark: cut off in between, the next start finds nothing to do but this. */
  markDone(): void {
    const { recovery, state } = this.facts;
    this.note('done', { status: 'done' });
    const count = this.wish.tries === 0 ? '' : String(this.wish.tries);
    this.setAssessment('done', {
      [assessment.reset]: '',
      [assessment.tries]: count,
      [assessment.fallbackTries]: count,
      [assessment.failed]: '',
    });
    this.add('done', this.checkpoint);
    const wasMarkedHere = state.damage !== undefined;
    if (!wasMarkedHere && !recovery.marked) return;
    if (!wasMarkedHere) this.add('done', { kind: 'make-writable', mountPoint: recovery.mountPoint });
    this.setAssessment('done', { [assessment.reset]: '' }, recovery.mountPoint);
    this.add(
      'done',
      { kind: 'remove', path: `${recovery.mountPoint}/${resetJournalName}` },
      { kind: 'checkpoint', mountPoint: recovery.mountPoint },
    );
  }
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
