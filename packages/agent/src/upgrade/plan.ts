import type { Architecture } from '@kairos/facts/architecture';
import { type BootState, bootStateNames } from '@kairos/facts/boot-state';
import { KairosError } from '@kairos/facts/errors';
import type { ImageManifest } from '@kairos/facts/image-manifest';
import { slotFiles } from '@kairos/facts/slot';
import type { GrubVariables } from '@kairos/host/grub-environment';
import type { BootloaderStep } from '../boot/bootloader-update.ts';
import { afterReset, assessment, defaultTries, forgetUnloadable, maximumTries } from '../boot/choice.ts';
import type { Afterwards } from '../lifecycle.ts';
import { checkArchitecture } from '../slots/check-architecture.ts';
import { checkSlotFiles } from '../slots/check-slot-files.ts';
import type { SlotView } from '../slots/view.ts';
import type { ChrootStage } from '../stages/chroot-stage.ts';
import { type CopyFacts, type CopyPlan, planCopy } from './copy.ts';
import { type FallbackFacts, outgoingRuns, reasonToKeepPassive } from './fallback.ts';
import { journalName } from './journal.ts';
import { giveName, hasRunningImage, planLeftovers, throwAway } from './leftovers.ts';
import type { UpgradeAction, UpgradePhase, UpgradeStep } from './step.ts';

export interface UpgradeFacts extends FallbackFacts, CopyFacts {
  readonly architecture: Architecture;
  /** Flavor of the running system, for a slot that does not say. */
  readonly flavor: string;
  readonly image: FallbackFacts['image'] & CopyFacts['image'] & { readonly manifest: ImageManifest };
  readonly transition: CopyFacts['transition'];
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
  readonly after: Afterwards;
}

export interface UpgradePlan {
  readonly slot: 'active' | 'recovery';
  readonly image: {
    readonly source: string;
    readonly digest: string;
    readonly name: string;
    readonly version: string;
  } & Pick<CopyPlan, 'size' | 'missing' | 'fetched'>;
  readonly from: { readonly name: string; readonly version: string } | undefined;
  /** What is the fallback afterwards, in words. */
  readonly fallback: string | undefined;
  readonly space: CopyPlan['space'];
  /** The slot holds the image already. */
  readonly upToDate: boolean;
  readonly notes: readonly string[];
  readonly steps: readonly UpgradeStep[];
  readonly after: Afterwards;
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

function checkTries(tries: number): void {
  if (Number.isInteger(tries) && tries >= 0 && tries <= maximumTries) return;
  throw new KairosError('TRIES_INVALID', `upgrade.tries is ${tries}; it can be 0 to ${maximumTries}`, {
    exit: 'invalidInput',
    hint: 'GRUB counts the starts of a new system down; 0 switches that off',
  });
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

  const { image, mountPoint, target, bootState } = facts;
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

  const leftovers = planLeftovers(facts, !upToDate);
  const { present, partial, local, size, missing, fetched, space } = planCopy(facts, leftovers, upToDate);

  if (!running || leftovers.actions.length > 0 || facts.bootloader.steps.length > 0) {
    add('recover', { kind: 'make-writable', mountPoint });
    for (const other of facts.otherMounts) {
      add('recover', { kind: 'make-writable', mountPoint: other, optional: true });
    }
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

  if (wish.slot === 'active' && !running) {
    const { changes, note } = afterReset(facts.assessment);
    if (Object.keys(changes).length > 0) {
      // Not before: until the new system is in its place, recovery is what the node starts best.
      add('boot-entry', {
        ...{ kind: 'set-environment', path: `${mountPoint}/boot_assessment`, changes, own: true },
      });
    }
    if (note !== undefined) notes.push(note);
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
    space,
    upToDate,
    notes,
    steps,
    after: wish.after,
  };
}
