import type { Architecture } from '@kairos/facts/architecture';
import { type BootState, bootStateNames } from '@kairos/facts/boot-state';
import { KairosError } from '@kairos/facts/errors';
import type { ImageManifest } from '@kairos/facts/image-manifest';
import { formatSize, MiB } from '@kairos/facts/size';
import { slotFiles } from '@kairos/facts/slot';
import type { GrubVariables } from '@kairos/host/grub-environment';
import { assessment, defaultTries, maximumTries } from './boot-choice.ts';
import type { BootloaderStep } from './bootloader-update.ts';
import { checkArchitecture, type InstallAction } from './install-plan.ts';
import type { SlotView } from './slot-view.ts';
import { discardName, interruptedAt, journalName, type UpgradeJournal } from './upgrade-journal.ts';

/** Parts of an upgrade, for progress. */
export type UpgradePhase =
  | 'recover'
  | 'before-upgrade'
  | 'copy'
  | 'bootloader'
  | 'switch'
  | 'cleanup'
  | 'boot-entry'
  | 'after-upgrade'
  | 'done';

/** One step, as data. Whoever carries it out needs nothing else but the image. */
export type UpgradeAction =
  | Extract<InstallAction, { kind: 'stage' | 'hook' | 'remove' | 'write-file' | 'write-device' }>
  | BootloaderStep
  /** Makes a mounted partition writable until the end. */
  | { readonly kind: 'make-writable'; readonly mountPoint: string }
  /** Writes the image's files into a directory; those that are there and right stay. */
  | {
      readonly kind: 'copy-image';
      readonly to: string;
      /** Bytes to be written. */
      readonly size: number;
      readonly present: readonly string[];
    }
  | { readonly kind: 'write-journal'; readonly path: string; readonly journal: UpgradeJournal }
  /** Two directories change their names, at once. */
  | { readonly kind: 'exchange'; readonly a: string; readonly b: string }
  | { readonly kind: 'rename'; readonly from: string; readonly to: string }
  /** What was written can be seen by a reader that does not replay the journal, as GRUB does not. */
  | { readonly kind: 'checkpoint'; readonly mountPoint: string }
  /** Merges variables into a GRUB environment block; an empty value removes one. */
  | {
      readonly kind: 'set-environment';
      readonly path: string;
      readonly changes: GrubVariables;
      /** The block is ours alone: a damaged one is written anew. */
      readonly own: boolean;
    }
  | {
      readonly kind: 'record';
      readonly path: string;
      readonly what: 'active' | 'recovery';
      readonly source: string;
    };

export type UpgradeStep = UpgradeAction & { readonly phase: UpgradePhase };

export interface SlotPlace {
  /** The directory is there, whatever is in it. */
  readonly there: boolean;
  /** What its `image.json` says, where that can be read. */
  readonly slot: SlotView | undefined;
}

export interface PlaceOfSlots {
  /** Where the partition is mounted. */
  readonly mountPoint: string;
  readonly label: string;
  readonly free: number;
}

export interface UpgradeFacts {
  readonly architecture: Architecture;
  readonly bootState: BootState;
  /** Flavor of the running system, for a slot that does not say. */
  readonly flavor: string;
  readonly image: {
    readonly source: string;
    /** Digest of `image.json`. */
    readonly manifestDigest: string;
    readonly manifest: ImageManifest;
    readonly files: ReadonlyMap<string, number>;
  };
  readonly place: PlaceOfSlots;
  /** The slot that gets the image. */
  readonly target: SlotPlace;
  /** Why the target cannot be trusted to start: its files are missing or not right. */
  readonly targetDamage: string | undefined;
  readonly passive: SlotPlace;
  readonly transition: SlotPlace & {
    readonly size: number;
    /** Files of the image that are there already, read and right. */
    readonly present: readonly string[];
  };
  /** A slot that an earlier upgrade put away. */
  readonly discard: SlotPlace & { readonly size: number };
  readonly journal: UpgradeJournal | undefined;
  /** Root hash of the image that the system runs from. */
  readonly runningRootHash: string | undefined;
  readonly assessment: GrubVariables;
  /** Where `next_entry` goes, and what is there; `undefined` where there is no such place. */
  readonly userEnvironment: { readonly path: string; readonly variables: GrubVariables } | undefined;
  readonly bootloader: { readonly steps: readonly BootloaderStep[]; readonly notes: readonly string[] };
  /** Other partitions that are written to and mounted read-only. */
  readonly otherMounts: readonly string[];
  /** `.kairos-state`, where the persistent partition is at hand. */
  readonly recordPath: string | undefined;
}

export interface UpgradeWish {
  readonly slot: 'active' | 'recovery';
  /** Another flavor is what is wanted; the same image is written again. */
  readonly force: boolean;
  /** Starts that the new image gets to prove itself; 0 is no assessment. */
  readonly tries?: number;
  readonly after: 'nothing' | 'reboot' | 'poweroff';
}

export interface UpgradePlan {
  readonly slot: 'active' | 'recovery';
  readonly image: {
    readonly source: string;
    readonly digest: string;
    readonly name: string;
    readonly version: string;
    /** Bytes of the slot. */
    readonly size: number;
    /** Bytes that are still to be written. */
    readonly missing: number;
  };
  readonly from: { readonly name: string; readonly version: string } | undefined;
  /** What is the fallback afterwards, in words. */
  readonly fallback: string | undefined;
  readonly space: { readonly needed: number; readonly available: number };
  /** The slot holds the image already. */
  readonly upToDate: boolean;
  readonly notes: readonly string[];
  readonly steps: readonly UpgradeStep[];
  readonly after: 'nothing' | 'reboot' | 'poweroff';
}

function checkBootState(state: BootState): void {
  if (state !== 'livecd' && state !== 'unknown') return;
  throw new KairosError(
    'UPGRADE_NOT_INSTALLED',
    `An upgrade needs an installed system, and the machine was started as ${bootStateNames[state]}`,
    {
      exit: 'wrongState',
      hint:
        state === 'livecd'
          ? 'Install with kairos-agent install'
          : 'Start the installed system and run it there',
    },
  );
}

function checkImage({ image, architecture, target, flavor }: UpgradeFacts, wish: UpgradeWish): void {
  const { manifest, source, files } = image;
  checkArchitecture(source, manifest, architecture);
  const missing = Object.values(slotFiles).filter((name) => !files.has(name));
  if (missing.length > 0) {
    throw new KairosError('SLOT_INCOMPLETE', `${source} has no ${missing.join(', ')}`, {
      exit: 'unsuitableImage',
      hint: 'Build the OS image again',
    });
  }
  const odd = [...files.keys()].find((name) => !/^\w[\w.-]{0,99}$/.test(name));
  if (odd !== undefined) {
    throw new KairosError('SLOT_FILE_NAME', `${source} has a file named ${JSON.stringify(odd)}`, {
      exit: 'corruptSource',
    });
  }
  const own = target.slot?.manifest.flavor ?? flavor;
  if (own !== '' && own !== manifest.flavor && !wish.force) {
    throw new KairosError(
      'FLAVOR_CHANGE',
      `${source} is ${manifest.flavor} ${manifest.flavorRelease}, and the node runs ${own}`,
      {
        exit: 'unsuitableImage',
        hint: 'Services may find files of another distribution in their persistent directories; say --force to do it',
        details: { from: own, to: manifest.flavor },
      },
    );
  }
}

/** Directories, and files rounded up to blocks. */
const overhead = MiB;

function checkTries(tries: number): void {
  if (Number.isInteger(tries) && tries >= 0 && tries <= maximumTries) return;
  throw new KairosError('TRIES_INVALID', `upgrade.tries is ${tries}; it can be 0 to ${maximumTries}`, {
    exit: 'invalidInput',
    hint: 'GRUB counts the starts of a new system down; 0 switches that off',
  });
}

/** Whether a slot has the image that the system runs from; more than one may. */
function hasRunningImage(facts: UpgradeFacts, slot: SlotView | undefined): boolean {
  return (
    (facts.bootState === 'active' || facts.bootState === 'passive') &&
    slot !== undefined &&
    slot.manifest.verity.rootHash === facts.runningRootHash
  );
}

/** Why the slot that gets the image is not worth keeping as the fallback, so that the fallback of now stays. */
function reasonToKeepPassive(facts: UpgradeFacts, passive: SlotView | undefined): string | undefined {
  const { target, targetDamage, image, bootState, journal } = facts;
  if (!target.slot || targetDamage !== undefined) {
    return `the active slot is not whole: ${targetDamage ?? 'it has no image.json that can be read'}`;
  }
  if (target.slot.digest === image.manifestDigest) return 'the active slot held the same image';
  const [inPassive, inTarget] = [hasRunningImage(facts, passive), hasRunningImage(facts, target.slot)];
  if (inPassive === inTarget ? bootState === 'passive' : inPassive) {
    return 'the system runs from it';
  }
  const tries = facts.assessment[assessment.tries];
  // An interrupted upgrade has set the counter for its own image, which is not in place yet.
  const isOwnCounter = journal?.slot === 'active' && journal.previous === target.slot.digest;
  if (isOwnCounter ? !journal.previousBecomesPassive : tries !== undefined) {
    return tries === '0' ? 'the active slot has failed' : 'the active slot has not proven itself yet';
  }
  return undefined;
}

/**
 * Plans an upgrade without touching anything.
 * @throws KairosError where it is refused: `UPGRADE_NOT_INSTALLED`, `WRONG_ARCHITECTURE`, `SLOT_INCOMPLETE`,
 *   `SLOT_FILE_NAME`, `FLAVOR_CHANGE`, `TRIES_INVALID`, `NO_SPACE`
 */
export function planUpgrade(facts: UpgradeFacts, wish: UpgradeWish): UpgradePlan {
  const tries = wish.tries ?? defaultTries;
  checkBootState(facts.bootState);
  checkTries(tries);
  checkImage(facts, wish);

  const { image, place, target, transition, journal, bootState } = facts;
  const { mountPoint } = place;
  const cos = `${mountPoint}/cOS`;
  const [slot, next, passive] = [`${cos}/${wish.slot}`, `${cos}/transition`, `${cos}/passive`];
  const [discard, journalPath] = [`${cos}/${discardName}`, `${cos}/${journalName}`];
  const notes = [...facts.bootloader.notes];
  const steps: UpgradeStep[] = [];
  const add = (phase: UpgradePhase, ...actions: UpgradeAction[]) =>
    steps.push(...actions.map((action) => ({ ...action, phase })));
  const checkpoint: UpgradeAction = { kind: 'checkpoint', mountPoint };
  /** Gives a slot another's name; an empty name has nothing to exchange. */
  const giveName = (phase: UpgradePhase, to: string, there: boolean) =>
    add(phase, there ? { kind: 'exchange', a: next, b: to } : { kind: 'rename', from: next, to }, checkpoint);
  /** The name is given up first, so that half a slot is never taken for a whole one. */
  const throwAway = (phase: UpgradePhase, runs: boolean) => {
    add(phase, { kind: 'remove', path: discard }, { kind: 'rename', from: next, to: discard });
    // A file system with an open file that has no name cannot be made read-only again.
    if (!runs) add(phase, { kind: 'remove', path: discard });
  };
  /** Whether the system runs from a slot that goes, which is so when no slot that stays has its image. */
  const runsFrom = (outgoing: SlotView | undefined, staying: readonly (SlotView | undefined)[]) =>
    wish.slot === 'active' &&
    hasRunningImage(facts, outgoing) &&
    !staying.some((other) => hasRunningImage(facts, other));

  const interrupted = interruptedAt({
    journal,
    target: target.slot?.digest,
    passive: facts.passive.slot?.digest,
    transition: transition.slot?.digest,
    transitionThere: transition.there,
  });
  const hasImage = target.slot?.digest === image.manifestDigest && facts.targetDamage === undefined;
  const upToDate = hasImage && !wish.force;
  /** The node runs the image already: the work was done earlier. */
  const running =
    upToDate && wish.slot === 'active' && bootState === 'active' && hasRunningImage(facts, target.slot);

  const size = [...image.files.values()].reduce((sum, one) => sum + one, 0);
  // Only what waits to be copied on is kept; anything else in transition goes first.
  const present = interrupted === 'copying' ? transition.present : [];
  const presentSize = present.reduce((sum, name) => sum + (image.files.get(name) ?? 0), 0);
  const missing = upToDate ? 0 : size - presentSize;
  const needed = upToDate ? 0 : missing + overhead;
  const discardRuns = runsFrom(facts.discard.slot, [target.slot, facts.passive.slot, transition.slot]);
  const transitionRuns =
    interrupted === 'done' && runsFrom(transition.slot, [target.slot, facts.passive.slot]);
  const available =
    place.free +
    (facts.discard.there && !discardRuns ? facts.discard.size : 0) +
    // One that is to become the fallback changes places with the older fallback, of about its size, which goes.
    (transition.there && !transitionRuns ? Math.max(0, transition.size - presentSize) : 0);
  if (needed > available) {
    throw new KairosError(
      'NO_SPACE',
      `${image.source} needs ${formatSize(needed)} on ${place.label}, which has ${formatSize(available)} for it`,
      {
        exit: 'noSpace',
        hint:
          discardRuns || transitionRuns
            ? 'The system still runs from a slot that was replaced; restart, then run it again'
            : 'The partition was made for the image that was installed; use a smaller image, or install anew',
        details: { needed, available, partition: place.label },
      },
    );
  }

  // What an interrupted upgrade left is brought to an end.
  const leftovers = journal !== undefined || transition.there || (facts.discard.there && !discardRuns);
  if (!running || leftovers || facts.bootloader.steps.length > 0) {
    add('recover', { kind: 'make-writable', mountPoint });
    for (const other of facts.otherMounts) add('recover', { kind: 'make-writable', mountPoint: other });
  }
  if (facts.discard.there && !discardRuns) add('recover', { kind: 'remove', path: discard });
  if (interrupted === 'switched') {
    giveName('recover', passive, facts.passive.there);
    notes.push('An earlier upgrade was interrupted between its two exchanges; it is finished first');
  }
  if (interrupted === 'done' || (interrupted === 'switched' && facts.passive.there)) {
    throwAway('recover', transitionRuns);
  }
  if (interrupted === 'copying' && upToDate) add('recover', { kind: 'remove', path: next });
  // The journal of a copy that goes on keeps telling what the slots were.
  if (journal && (interrupted !== 'copying' || upToDate))
    add('recover', { kind: 'remove', path: journalPath });

  const fallback = interrupted === 'switched' ? transition : facts.passive;
  const keepsPassive = upToDate ? undefined : reasonToKeepPassive(facts, fallback.slot);
  if (!running) {
    add(
      'before-upgrade',
      { kind: 'stage', stage: 'kairos-upgrade.pre' },
      { kind: 'hook', program: '/usr/bin/kairos-agent.upgrade.pre.hook' },
      { kind: 'stage', stage: 'before-upgrade' },
    );
  }
  const toFallback = wish.slot === 'active' && keepsPassive === undefined;
  if (!upToDate) {
    add('copy', { kind: 'copy-image', to: next, size: missing, present });
    // From here on whoever looks knows what changes places.
    add('copy', {
      kind: 'write-journal',
      path: journalPath,
      journal: {
        schemaVersion: 1,
        slot: wish.slot,
        next: image.manifestDigest,
        previous: target.slot?.digest ?? null,
        previousBecomesPassive: toFallback,
      },
    });
  }
  add('bootloader', ...facts.bootloader.steps);
  if (wish.slot === 'active' && !running) {
    const count = tries === 0 ? '' : String(tries);
    // Before the exchange: a new system that starts without being counted could hang for ever. The old one, should it
    // start once more, is counted in vain and proves itself.
    add('bootloader', {
      kind: 'set-environment',
      path: `${mountPoint}/boot_assessment`,
      changes: { [assessment.tries]: count, [assessment.fallbackTries]: count },
      own: true,
    });
  }
  if (!upToDate || (wish.slot === 'active' && !running) || facts.bootloader.steps.length > 0) {
    add('bootloader', checkpoint);
  }
  if (!upToDate) {
    giveName('switch', slot, target.there);
    if (toFallback) giveName('switch', passive, fallback.there);
    const outgoing = toFallback ? fallback : target;
    const staying = toFallback ? [target.slot] : [fallback.slot];
    const runsByName = wish.slot === 'recovery' ? isRecovery(bootState) : bootState === 'active';
    const runs = toFallback
      ? runsFrom(outgoing.slot, staying)
      : target.slot !== undefined &&
        target.slot.manifest.verity.rootHash === facts.runningRootHash &&
        (runsByName || runsFrom(outgoing.slot, staying));
    if (outgoing.there) throwAway('cleanup', runs);
    add('cleanup', { kind: 'remove', path: journalPath });
  }

  if (wish.slot === 'active' && !running && facts.userEnvironment) {
    const { path, variables } = facts.userEnvironment;
    add('boot-entry', { kind: 'set-environment', path, changes: { next_entry: 'cos' }, own: false });
    if (variables.saved_entry && !['cos', '0'].includes(variables.saved_entry)) {
      notes.push(
        `saved_entry is ${variables.saved_entry}: the new system starts once, then the node goes back to that entry; kairos-agent bootentry --select cos --permanent changes it`,
      );
    }
  }
  if (!running) {
    add('after-upgrade', { kind: 'stage', stage: 'after-upgrade' });
    if (facts.recordPath !== undefined) {
      add('after-upgrade', { kind: 'record', path: facts.recordPath, what: wish.slot, source: image.source });
    }
    add(
      'after-upgrade',
      { kind: 'stage', stage: 'kairos-upgrade.after' },
      { kind: 'hook', program: '/usr/bin/kairos-agent.upgrade.after.hook' },
    );
  }
  if (wish.slot === 'active' && keepsPassive !== undefined && fallback.there) {
    notes.push(`The fallback stays what it is: ${keepsPassive}`);
  }
  const words = (view: SlotView | undefined) => view && `${view.manifest.name} ${view.manifest.version}`;
  const { name, version } = image.manifest;
  return {
    slot: wish.slot,
    image: { source: image.source, digest: image.manifestDigest, name, version, size, missing },
    from: target.slot && { name: target.slot.manifest.name, version: target.slot.manifest.version },
    fallback:
      wish.slot === 'recovery' ? undefined : words(toFallback && !upToDate ? target.slot : fallback.slot),
    space: { needed, available },
    upToDate,
    notes,
    steps,
    after: wish.after,
  };
}

const isRecovery = (state: BootState) => state === 'recovery' || state === 'autoreset';
