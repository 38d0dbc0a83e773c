import { KairosError } from '@kairos/facts/errors';
import { formatSize } from '@kairos/facts/size';
import { slotOverhead, slotSize } from '../slots/size.ts';
import type { SlotView } from '../slots/view.ts';
import { discardPrefix, type SlotAction } from '../upgrade/leftovers.ts';

/** A slot as a reset finds it. */
export interface SlotNow {
  readonly there: boolean;
  readonly slot: SlotView | undefined;
  /** Why it cannot be started. */
  readonly damage: string | undefined;
  /** Bytes. */
  readonly size: number;
}

/** The slots of `COS_STATE` as they were found, and the image that they are to have. */
export interface ResetSlots {
  readonly image: {
    readonly source: string;
    /** Digest of `image.json`. */
    readonly manifestDigest: string;
    readonly files: ReadonlyMap<string, number>;
  };
  readonly state: {
    /** Bytes that are free on it, or would be on a new one. */
    readonly free: number;
  };
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
}

/** What the slots need: which are written, and which have to go first where there is no room beside them. */
export interface SlotWork {
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
 * @throws KairosError `NO_SPACE`
 */
export function planSlots(facts: ResetSlots): SlotWork {
  const { image, active, passive, transition } = facts;
  const size = slotSize(image.files);
  const isNew = (slot: SlotNow) =>
    slot.there && slot.damage === undefined && slot.slot?.digest === image.manifestDigest;
  const work = { active: !isNew(active), passive: !isNew(passive) };
  const sizeOf = (names: readonly string[]) =>
    names.reduce((sum, name) => sum + (image.files.get(name) ?? 0), 0);
  const discarded = facts.discarded.reduce((sum, one) => sum + one.size, 0);
  // The journal comes first and needs room; what was copied already gives way to it.
  const hasRoom = facts.state.free + discarded >= slotOverhead;
  const continues = (work.active || work.passive) && hasRoom;
  const [present, partial] = continues ? [transition.present, transition.partial] : [[], {}];
  const first = size - sizeOf(present) + slotOverhead;
  const whole = (slot: SlotNow) => slot.there && slot.damage === undefined;
  let free = facts.state.free + discarded + transition.size - sizeOf(present);
  const dropFirst: ('active' | 'passive')[] = [];
  let needed = 0;
  let available = 0;
  const need = (bytes: number) => {
    if (bytes - free > needed - available || needed === 0) [needed, available] = [bytes, free];
  };
  need(slotOverhead);
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
    free += (dropFirst.includes('active') ? 0 : active.size) - (first - slotOverhead);
  }
  const dropped = dropFirst.includes('passive');
  const makesPassive = work.passive || dropped;
  const second = work.active ? size + slotOverhead : first;
  const dropPassive = makesPassive && !dropped && passive.there && second > free;
  if (dropPassive) free += passiveSize;
  if (makesPassive) need(second);
  available = Math.max(0, available);
  if (needed > available) {
    throw new KairosError(
      'NO_SPACE',
      `${image.source} needs ${formatSize(needed)} on COS_STATE, which has ${formatSize(available)} for it`,
      {
        exit: 'noSpace',
        hint: 'The partition was made for the image that was installed; give a smaller one with --source, or install anew',
        details: { needed, available },
      },
    );
  }
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

/** A slot goes: first its name, so that half a slot is never taken for a whole one. */
export function drop(cos: string, mountPoint: string, slot: 'active' | 'passive'): SlotAction[] {
  const to = `${cos}/${discardPrefix}${slot}`;
  return [
    { kind: 'rename', from: `${cos}/${slot}`, to },
    { kind: 'checkpoint', mountPoint },
    { kind: 'remove', path: to },
  ];
}
