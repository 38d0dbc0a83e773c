import type { Architecture } from '@kairos/facts/architecture';
import { type BootState, bootStateNames } from '@kairos/facts/boot-state';
import { KairosError } from '@kairos/facts/errors';
import type { ImageManifest } from '@kairos/facts/image-manifest';
import { formatSize, MiB } from '@kairos/facts/size';
import { slotFiles } from '@kairos/facts/slot';
import type { GrubVariables } from '@kairos/host/grub-environment';
import { assessment, defaultTries, forgetUnloadable, maximumTries } from './boot-choice.ts';
import type { BootloaderStep } from './bootloader-update.ts';
import { checkArchitecture } from './check-architecture.ts';
import { checkSlotFiles } from './check-slot-files.ts';
import type { ChrootStage } from './chroot-stage.ts';
import type { InstallAction } from './install-step.ts';
import {
  giveName,
  hasRunningImage,
  planLeftovers,
  runsFrom,
  type SlotAction,
  type SlotPlace,
  type SlotsFound,
  throwAway,
} from './leftovers.ts';
import type { SlotView } from './slot-view.ts';
import { journalName, type UpgradeJournal } from './upgrade-journal.ts';

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
  | Extract<
      InstallAction,
      { kind: 'stage' | 'chroot-stage' | 'hook' | 'remove' | 'write-file' | 'write-device' }
    >
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
      /** Bytes that an interrupted run has left of a file, which is continued. */
      readonly partial: Readonly<Record<string, number>>;
      /** Files of slots here with the same content, which are copied instead of fetched. */
      readonly local: Readonly<Record<string, string>>;
    }
  /** Has the node's configuration checked by the agent in the image that was copied. */
  | {
      readonly kind: 'check-config';
      readonly rootImage: string;
      readonly filesystem: string;
      readonly force: boolean;
    }
  | { readonly kind: 'write-journal'; readonly path: string; readonly journal: UpgradeJournal }
  | SlotAction
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

export interface UpgradeFacts extends SlotsFound {
  readonly architecture: Architecture;
  /** Flavor of the running system, for a slot that does not say. */
  readonly flavor: string;
  readonly image: {
    readonly source: string;
    /** Digest of `image.json`. */
    readonly manifestDigest: string;
    readonly manifest: ImageManifest;
    readonly files: ReadonlyMap<string, number>;
  };
  /** Label of the partition of the slots. */
  readonly label: string;
  /** Bytes that are free on it. */
  readonly free: number;
  /** Why the target cannot be trusted to start: its files are missing or not right. */
  readonly targetDamage: string | undefined;
  readonly transition: SlotPlace & {
    readonly size: number;
    /** Files of the image that are there already, read and right. */
    readonly present: readonly string[];
    /** Bytes that are there of files of the image which are not whole. */
    readonly partial: Readonly<Record<string, number>>;
  };
  /** Files of slots on this disk that have the digest of a file of the image, by the name of that. */
  readonly local: Readonly<Record<string, string>>;
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
  /** Where this system has what the stage `after-upgrade-chroot` may write to; missing where it has no steps. */
  readonly chrootBinds?: ChrootStage['binds'];
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
    /** Those of them that come from the source, and not from a slot here. */
    readonly fetched: number;
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
  checkSlotFiles(source, files);
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

/** Whether the system runs from the slot that goes: the older fallback, or, where that stays, the target. */
function outgoingRuns(
  facts: UpgradeFacts,
  slot: 'active' | 'recovery',
  toFallback: boolean,
  fallback: SlotPlace,
): boolean {
  const { target, bootState, runningRootHash } = facts;
  if (toFallback) return runsFrom(facts, fallback.slot, [target.slot]);
  if (slot === 'active' && bootState !== 'active') return runsFrom(facts, target.slot, [fallback.slot]);
  const byName = slot === 'active' || bootState === 'recovery' || bootState === 'autoreset';
  return byName && target.slot !== undefined && target.slot.manifest.verity.rootHash === runningRootHash;
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

  const { image, mountPoint, target, transition, bootState } = facts;
  const cos = `${mountPoint}/cOS`;
  const journalPath = `${cos}/${journalName}`;
  const notes = [...facts.bootloader.notes];
  const steps: UpgradeStep[] = [];
  const add = (phase: UpgradePhase, ...actions: UpgradeAction[]) =>
    steps.push(...actions.map((action) => ({ ...action, phase })));

  const hasImage = target.slot?.digest === image.manifestDigest && facts.targetDamage === undefined;
  const upToDate = hasImage && !wish.force;
  /** The node runs the image already: the work was done earlier. */
  const running =
    upToDate && wish.slot === 'active' && bootState === 'active' && hasRunningImage(facts, target.slot);

  const size = [...image.files.values()].reduce((sum, one) => sum + one, 0);
  const leftovers = planLeftovers(facts, !upToDate);
  const present = leftovers.interruption === 'copying' ? transition.present : [];
  const partial = leftovers.interruption === 'copying' ? transition.partial : {};
  const sizeOf = (name: string) => image.files.get(name) ?? 0;
  const restOf = (name: string) => sizeOf(name) - (partial[name] ?? 0);
  const presentSize =
    present.reduce((sum, name) => sum + sizeOf(name), 0) +
    Object.values(partial).reduce((sum, one) => sum + one, 0);
  const missing = upToDate ? 0 : size - presentSize;
  const local = Object.fromEntries(Object.entries(facts.local).filter(([name]) => !present.includes(name)));
  const fetched = Math.max(0, missing - Object.keys(local).reduce((sum, name) => sum + restOf(name), 0));
  const needed = upToDate ? 0 : missing + overhead;
  const available =
    facts.free +
    facts.discarded.reduce((sum, one) => sum + (leftovers.running.includes(one) ? 0 : one.size), 0) +
    // One that is to become the fallback changes places with the older fallback, of about its size, which goes.
    (transition.there && !leftovers.transitionRuns ? Math.max(0, transition.size - presentSize) : 0);
  if (needed > available) {
    throw new KairosError(
      'NO_SPACE',
      `${image.source} needs ${formatSize(needed)} on ${facts.label}, which has ${formatSize(available)} for it`,
      {
        exit: 'noSpace',
        hint:
          leftovers.running.length > 0 || leftovers.transitionRuns
            ? 'The system still runs from a slot that was replaced; restart, then run it again'
            : 'The partition was made for the image that was installed; use a smaller image, or install anew',
        details: { needed, available, partition: facts.label },
      },
    );
  }

  if (!running || leftovers.actions.length > 0 || facts.bootloader.steps.length > 0) {
    add('recover', { kind: 'make-writable', mountPoint });
    for (const other of facts.otherMounts) add('recover', { kind: 'make-writable', mountPoint: other });
  }
  add('recover', ...leftovers.actions);
  if (leftovers.interruption === 'switched') {
    notes.push('An earlier upgrade was interrupted between its two exchanges; it is finished first');
  }
  const fallback = leftovers.passive;
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
    add('copy', {
      ...{ kind: 'copy-image', to: `${cos}/transition`, size: missing },
      ...{ present, partial, local },
    });
    add('copy', {
      ...{ kind: 'check-config', rootImage: `${cos}/transition/${slotFiles.root}` },
      ...{ filesystem: image.manifest.filesystem, force: wish.force },
    });
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
  if (!upToDate && !running && wish.chrootBinds) {
    // Before anything changes places: where the stage is strict and fails, the node stays as it is.
    add('copy', {
      ...{ kind: 'chroot-stage', stage: 'after-upgrade-chroot', slot: `${cos}/transition` },
      binds: wish.chrootBinds,
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
      changes: {
        ...{ [assessment.tries]: count, [assessment.fallbackTries]: count },
        ...forgetUnloadable(facts.assessment),
      },
      own: true,
    });
  }
  if (!upToDate || (wish.slot === 'active' && !running) || facts.bootloader.steps.length > 0) {
    add('bootloader', { kind: 'checkpoint', mountPoint });
  }
  if (!upToDate) {
    add('switch', ...giveName(facts, wish.slot, target.there));
    if (toFallback) add('switch', ...giveName(facts, 'passive', fallback.there));
    const outgoing = toFallback ? fallback : target;
    if (outgoing.there) {
      add(
        'cleanup',
        ...throwAway(facts, outgoing.slot, outgoingRuns(facts, wish.slot, toFallback, fallback)),
      );
    }
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
    image: { source: image.source, digest: image.manifestDigest, name, version, size, missing, fetched },
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
