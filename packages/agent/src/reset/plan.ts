import type { BootState } from '@kairos/facts/boot-state';
import { KairosError } from '@kairos/facts/errors';
import { checkArchitecture } from '../slots/check-architecture.ts';
import { checkSlotFiles } from '../slots/check-slot-files.ts';
import { slotSize } from '../slots/size.ts';
import type { ResetWish } from './journal.ts';
import { type ResetFacts, ResetOrder } from './order.ts';
import { planSlots } from './slots.ts';
import type { ResetStep } from './step.ts';
import { type ResetSummary, summarizeReset } from './summary.ts';

export interface ResetPlan extends ResetSummary {
  readonly image: {
    readonly source: string;
    readonly digest: string;
    readonly name: string;
    readonly version: string;
    /** Bytes of a slot. */
    readonly size: number;
  };
  /** A reset that was cut off goes on. */
  readonly resumes: boolean;
  readonly space: { readonly needed: number; readonly available: number };
  readonly steps: readonly ResetStep[];
  readonly after: ResetWish['after'];
}

/** @throws KairosError `RESET_NOT_IN_RECOVERY` */
export function checkResetBootState(state: BootState): void {
  if (state === 'recovery' || state === 'autoreset') return;
  throw new KairosError(
    'RESET_NOT_IN_RECOVERY',
    `A reset makes the system anew that the machine runs from (${state}); it works from recovery`,
    {
      exit: 'wrongState',
      hint:
        state === 'livecd' || state === 'unknown'
          ? 'Choose "state reset" or "recovery" in the boot menu of the installed disk'
          : 'kairos-agent bootentry --select statereset, then restart: the reset runs by itself. With --select recovery it can be run by hand',
    },
  );
}

function checkImage({ image, architecture }: ResetFacts): void {
  const { manifest, source, files } = image;
  checkArchitecture(source, manifest, architecture);
  checkSlotFiles(source, files);
}

/**
 * Plans a reset without touching anything. What is there already, by its digest and by the journal, is not done again,
 * so the plan of a reset that was cut off is what remains of it.
 * @param wish of a reset that goes on, the one of its journal
 * @throws KairosError where it is refused: `RESET_NOT_IN_RECOVERY`, `WRONG_ARCHITECTURE`, `SLOT_INCOMPLETE`,
 *   `SLOT_FILE_NAME`, `NO_SPACE`
 */
export function planReset(
  facts: ResetFacts,
  wish: ResetWish,
  options: {
    /** A reset that was cut off goes on. */
    readonly resumes: boolean;
    /** Whether there are steps for the stage `after-reset-chroot`. */
    readonly chrootStage?: boolean;
  },
): ResetPlan {
  checkResetBootState(facts.bootState);
  checkImage(facts);
  const { image } = facts;
  const pending = options.resumes ? facts.pending : undefined;
  const work = planSlots(facts);
  const order = new ResetOrder(facts, wish, work, pending);
  const isDone = pending?.status === 'done';
  if (!isDone) {
    order.begin();
    if (facts.state.damage !== undefined) order.makeState();
  }
  order.makeWritable();
  if (!isDone) {
    order.markBegun();
    order.copyActive();
    order.formatPartitions();
    order.putInPlace();
    order.conclude(options.chrootStage ?? false);
  }
  order.forgetEntries();
  order.markDone();
  const { erases, keeps, notes } = summarizeReset(facts, wish, pending?.formatted ?? [], work);
  return {
    image: {
      source: image.source,
      digest: image.manifestDigest,
      name: image.manifest.name,
      version: image.manifest.version,
      size: slotSize(image.files),
    },
    resumes: pending !== undefined,
    erases,
    keeps,
    space: { needed: work.needed, available: work.available },
    notes,
    steps: order.steps,
    after: wish.after,
  };
}
