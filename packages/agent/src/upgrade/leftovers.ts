import type { BootState } from '@kairos/facts/boot-state';
import type { SlotView } from '../slots/view.ts';
import { type Interruption, interruptedAt, journalName, type UpgradeJournal } from './journal.ts';

export interface SlotPlace {
  /** The directory is there, whatever is in it. */
  readonly there: boolean;
  /** What its `image.json` says, where that can be read. */
  readonly slot: SlotView | undefined;
}

/** A slot that was put away under a name of its own. */
export interface DiscardedSlot {
  readonly name: string;
  readonly slot: SlotView | undefined;
  readonly size: number;
}

/** The slots of a partition as they were found, and what runs. */
export interface SlotsFound {
  /** Where the partition is mounted. */
  readonly mountPoint: string;
  readonly bootState: BootState;
  /** Root hash of the image that the system runs from. */
  readonly runningRootHash: string | undefined;
  /** Active, or recovery. */
  readonly target: SlotPlace;
  /** On the partition of recovery there is none. */
  readonly passive: SlotPlace;
  readonly transition: SlotPlace;
  readonly discarded: readonly DiscardedSlot[];
  readonly journal: UpgradeJournal | undefined;
}

/** What changes the names of slots; each is one change on the disk, or the removal of what has lost its name. */
export type SlotAction =
  /** Two directories change their names, at once. */
  | { readonly kind: 'exchange'; readonly a: string; readonly b: string }
  | { readonly kind: 'rename'; readonly from: string; readonly to: string }
  | { readonly kind: 'remove'; readonly path: string }
  /** What was written can be seen by a reader that does not replay the journal, as GRUB does not. */
  | { readonly kind: 'checkpoint'; readonly mountPoint: string };

/** Names of slots that are on their way out begin with this; whoever finds one may remove it. */
export const discardPrefix = 'discard-';

/** Whether a slot of `COS_STATE` has the image that the system runs from; more than one may. */
export function hasRunningImage(
  found: Pick<SlotsFound, 'bootState' | 'runningRootHash'>,
  slot: SlotView | undefined,
): boolean {
  return (
    (found.bootState === 'active' || found.bootState === 'passive') &&
    slot !== undefined &&
    slot.manifest.verity.rootHash === found.runningRootHash
  );
}

/** Whether the system runs from a slot that goes, which is so when no slot that stays has its image. */
export function runsFrom(
  found: SlotsFound,
  outgoing: SlotView | undefined,
  staying: readonly (SlotView | undefined)[],
): boolean {
  return hasRunningImage(found, outgoing) && !staying.some((other) => hasRunningImage(found, other));
}

const cosOf = (found: SlotsFound) => `${found.mountPoint}/cOS`;

/** Gives the slot in transition a name; one that is there already changes places with it. */
export function giveName(found: SlotsFound, name: string, there: boolean): SlotAction[] {
  const [next, to] = [`${cosOf(found)}/transition`, `${cosOf(found)}/${name}`];
  return [
    there ? { kind: 'exchange', a: next, b: to } : { kind: 'rename', from: next, to },
    { kind: 'checkpoint', mountPoint: found.mountPoint },
  ];
}

/**
 * Removes the slot in transition. The name is given up first, so that half a slot is never taken for a whole one. The
 * slot that the system runs from stays under the other name until the next start: a file system with an open file that
 * has no name cannot be made read-only again.
 */
export function throwAway(found: SlotsFound, slot: SlotView | undefined, runs: boolean): SlotAction[] {
  const to = `${cosOf(found)}/${discardPrefix}${slot?.digest.slice('sha256:'.length).slice(0, 12) ?? 'unreadable'}`;
  return [
    { kind: 'remove', path: to },
    { kind: 'rename', from: `${cosOf(found)}/transition`, to },
    ...(runs ? [] : [{ kind: 'remove' as const, path: to }]),
  ];
}

export interface LeftoversPlan {
  readonly actions: readonly SlotAction[];
  readonly interruption: Interruption;
  /** What is passive afterwards. */
  readonly passive: SlotPlace;
  /** Slots that went out and stay until the next start, as the system runs from them. */
  readonly running: readonly DiscardedSlot[];
  /** Whether what goes by the name of transition in the end runs, and so keeps its space. */
  readonly transitionRuns: boolean;
}

/**
 * Brings to an end what an interrupted upgrade left.
 * @param keepsCopy An image that was being copied stays for the upgrade that goes on with it, with its journal, which
 *   keeps telling what the slots were.
 */
export function planLeftovers(found: SlotsFound, keepsCopy: boolean): LeftoversPlan {
  const { target, passive, transition, journal } = found;
  const staying = [target.slot, passive.slot];
  const running = found.discarded.filter(({ slot }) => runsFrom(found, slot, [...staying, transition.slot]));
  const actions: SlotAction[] = found.discarded
    .filter((one) => !running.includes(one))
    .map(({ name }) => ({ kind: 'remove', path: `${cosOf(found)}/${name}` }));
  const interruption = interruptedAt({
    journal,
    target: target.slot?.digest,
    passive: passive.slot?.digest,
    transition: transition.slot?.digest,
    transitionThere: transition.there,
  });
  const transitionRuns =
    interruption === 'switched'
      ? runsFrom(found, passive.slot, [target.slot, transition.slot])
      : interruption === 'done' && runsFrom(found, transition.slot, staying);
  if (interruption === 'switched') actions.push(...giveName(found, 'passive', passive.there));
  if (interruption === 'done') actions.push(...throwAway(found, transition.slot, transitionRuns));
  if (interruption === 'switched' && passive.there) {
    actions.push(...throwAway(found, passive.slot, transitionRuns));
  }
  if (interruption === 'copying' && !keepsCopy) {
    actions.push({ kind: 'remove', path: `${cosOf(found)}/transition` });
  }
  if (journal && !(interruption === 'copying' && keepsCopy)) {
    actions.push({ kind: 'remove', path: `${cosOf(found)}/${journalName}` });
  }
  return {
    actions,
    interruption,
    running,
    transitionRuns,
    passive: interruption === 'switched' ? transition : passive,
  };
}
