import type { ErasedPartition, ResetWish } from './journal.ts';
import type { DataPartition } from './partition.ts';
import type { ResetSlots, SlotNow, SlotWork } from './slots.ts';

/** What a reset means for who has to agree, in words. */
export interface ResetSummary {
  readonly erases: readonly string[];
  readonly keeps: readonly string[];
  readonly notes: readonly string[];
}

/** What of the node the words are about. */
export interface SummaryFacts extends Pick<ResetSlots, 'active' | 'passive'> {
  readonly state: {
    readonly device: string;
    /** Why its file system cannot be used; it is made anew then. */
    readonly damage: string | undefined;
  };
  readonly persistent: DataPartition | undefined;
  readonly oem: DataPartition | undefined;
  readonly bootloader: { readonly notes: readonly string[] };
}

/** How a partition beside the slots fares, in words. */
function fate(
  { erased, done }: { readonly erased: boolean; readonly done: boolean },
  partition: DataPartition | undefined,
  words: { readonly label: string; readonly holds: string },
): ResetSummary {
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
 * Says what is erased and what stays.
 * @param made what an earlier run has made anew already
 */
export function summarizeReset(
  facts: SummaryFacts,
  wish: Pick<ResetWish, 'resetPersistent' | 'resetOem'>,
  made: readonly ErasedPartition[],
  work: Pick<SlotWork, 'active' | 'passive' | 'dropFirst' | 'dropPassive'>,
): ResetSummary {
  const { state, persistent, oem } = facts;
  const fates = [
    fate({ erased: wish.resetPersistent, done: made.includes('persistent') }, persistent, {
      label: 'COS_PERSISTENT',
      holds: 'all data, /home, /usr/local, persistent parts of /etc and /var',
    }),
    fate({ erased: wish.resetOem, done: made.includes('oem') }, oem, {
      label: 'COS_OEM',
      holds: 'cloud-config, users, boot options',
    }),
  ];
  const words = (slot: SlotNow) =>
    slot.slot ? `${slot.slot.manifest.name} ${slot.slot.manifest.version}` : 'what cannot be read';
  return {
    erases: [
      ...fates.flatMap((one) => one.erases),
      ...(state.damage === undefined
        ? (['active', 'passive'] as const)
            .filter((slot) => work[slot] && facts[slot].there)
            .map((slot) => `The ${slot} system: ${words(facts[slot])}`)
        : [`COS_STATE (${state.device}): the active and the passive system, options of the boot menu`]),
    ],
    keeps: fates.flatMap((one) => one.keeps),
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
  };
}
