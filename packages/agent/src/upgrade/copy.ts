import { KairosError } from '@kairos/facts/errors';
import { formatSize } from '@kairos/facts/size';
import { slotOverhead, slotSize } from '../slots/size.ts';
import type { LeftoversPlan, SlotPlace, SlotsFound } from './leftovers.ts';

/** What decides how much of an image is written, and whether there is room for it. */
export interface CopyFacts extends Pick<SlotsFound, 'discarded'> {
  readonly image: { readonly source: string; readonly files: ReadonlyMap<string, number> };
  /** Label of the partition of the slots. */
  readonly label: string;
  /** Bytes that are free on it. */
  readonly free: number;
  readonly transition: SlotPlace & {
    readonly size: number;
    /** Files of the image that are there already, read and right. */
    readonly present: readonly string[];
    /** Bytes that are there of files of the image which are not whole. */
    readonly partial: Readonly<Record<string, number>>;
  };
  /** Files of slots on this disk that have the digest of a file of the image, by the name of that. */
  readonly local: Readonly<Record<string, string>>;
}

export interface CopyPlan
  extends Pick<CopyFacts, 'local'>,
    Pick<CopyFacts['transition'], 'present' | 'partial'> {
  /** Bytes of the slot. */
  readonly size: number;
  /** Bytes that are still to be written. */
  readonly missing: number;
  /** Those of them that come from the source, and not from a slot here. */
  readonly fetched: number;
  readonly space: { readonly needed: number; readonly available: number };
}

/**
 * What is written of an image beside the slots.
 * @param upToDate The slot holds the image already.
 * @throws KairosError `NO_SPACE`
 */
export function planCopy(
  facts: CopyFacts,
  leftovers: Pick<LeftoversPlan, 'interruption' | 'running' | 'transitionRuns'>,
  upToDate: boolean,
): CopyPlan {
  const { image, transition } = facts;
  const size = slotSize(image.files);
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
  const needed = upToDate ? 0 : missing + slotOverhead;
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
  return { size, present, partial, local, missing, fetched, space: { needed, available } };
}
