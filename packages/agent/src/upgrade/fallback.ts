import type { GrubVariables } from '@kairos/host/grub-environment';
import { assessment } from '../boot/choice.ts';
import type { SlotView } from '../slots/view.ts';
import { hasRunningImage, runsFrom, type SlotPlace, type SlotsFound } from './leftovers.ts';

/** What decides which image is the fallback after an upgrade. */
export interface FallbackFacts extends SlotsFound {
  readonly image: {
    /** Digest of `image.json`. */
    readonly manifestDigest: string;
  };
  /** Why the target cannot be trusted to start: its files are missing or not right. */
  readonly targetDamage: string | undefined;
  readonly assessment: GrubVariables;
}

/** Why the slot that gets the image is not worth keeping as the fallback, so that the fallback of now stays. */
export function reasonToKeepPassive(facts: FallbackFacts, passive: SlotView | undefined): string | undefined {
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
export function outgoingRuns(
  facts: FallbackFacts,
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
