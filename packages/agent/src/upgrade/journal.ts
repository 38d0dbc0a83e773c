import type { HostFiles } from '@kairos/host/host';
import { z } from 'zod';
import { readRecord } from '../read-record.ts';

const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/);

/**
 * `cOS/upgrade.json` on the partition of the slot, written before slots change places and removed afterwards. With it,
 * what an interrupted upgrade left can be told apart by the digests of the slots' `image.json`.
 */
const journalSchema = z.object({
  schemaVersion: z.literal(1),
  /** The slot that gets the new image. */
  slot: z.enum(['active', 'recovery']),
  /** The new image. */
  next: digest,
  /** What the slot held before; `null` where it held nothing that can be read. */
  previous: digest.nullable(),
  /** Whether the previous image becomes the fallback. */
  previousBecomesPassive: z.boolean(),
});
export type UpgradeJournal = z.infer<typeof journalSchema>;

/** Names beside the slots, in `cOS`. */
export const journalName = 'upgrade.json';

export function readJournal(files: HostFiles, cos: string): UpgradeJournal | undefined {
  return readRecord(files, `${cos}/${journalName}`, journalSchema);
}

/** What an interrupted upgrade left, by the digests of the slots; `undefined` for a slot that cannot be read. */
export interface Leftovers {
  readonly journal: UpgradeJournal | undefined;
  /** The slot to be upgraded: active, or recovery. */
  readonly target: string | undefined;
  readonly passive: string | undefined;
  readonly transition: string | undefined;
  readonly transitionThere: boolean;
}

export type Interruption = 'nothing' | 'copying' | 'switched' | 'done';

/**
 * What has to be done before a new upgrade may begin:
 *
 * - `nothing`: no transition slot; a journal may be there and is void.
 * - `copying`: the transition slot was being written, or waits to change places. It may be continued or dropped.
 * - `switched`: the new image is in its place and the old one, still in transition, was to become the fallback.
 * - `done`: the places have changed; what is in transition is on its way out.
 */
export function interruptedAt(found: Leftovers): Interruption {
  const { journal } = found;
  if (!found.transitionThere) return 'nothing';
  if (!journal || found.target !== journal.next) return 'copying';
  const isFallback = (slot: string | undefined) => slot !== undefined && slot === journal.previous;
  return journal.previousBecomesPassive && isFallback(found.transition) && !isFallback(found.passive)
    ? 'switched'
    : 'done';
}
