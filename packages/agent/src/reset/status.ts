import type { BootState } from '@kairos/facts/boot-state';
import type { GrubVariables } from '@kairos/host/grub-environment';
import { assessment } from '../boot/choice.ts';
import type { ResetJournal } from './journal.ts';

export interface ResetStatus {
  /**
   * - `none`: there was none, as far as is known.
   * - `unfinished`: it is under way, and goes on at the next start.
   * - `failed`: it was refused, or stopped for a reason and is tried again at the next start.
   * - `not-begun`: its entry of the boot menu was started, and that system did not come so far as to begin it.
   * - `gave-up`: it used up its starts, so that recovery starts from now on, or somebody gave it up.
   * - `done`
   */
  readonly status: 'none' | 'not-begun' | 'unfinished' | 'failed' | 'gave-up' | 'done';
  /** Starts that are left, while one is under way. */
  readonly triesLeft: number | undefined;
  readonly journal: ResetJournal | undefined;
  /** The same in words. */
  readonly text: string;
}

/** What the boot loader's environment says of resets. */
export interface ResetMarks {
  /** Starts that are left, `''` for no mark, `undefined` where the environment cannot be seen. */
  readonly mark: string | undefined;
  /** The entry of the boot menu was started, and no reset has begun since. */
  readonly chosen?: boolean;
}

/** @param bootState in the system that resets by itself nothing is missed yet */
export function resetMarks(variables: GrubVariables, bootState: BootState): ResetMarks {
  const chosen = Boolean(variables[assessment.resetChosen]) && bootState !== 'autoreset';
  return { mark: variables[assessment.reset] ?? '', chosen };
}

/** What a journal and the boot loader say together. */
export function judgeReset(
  journal: ResetJournal | undefined,
  { mark, chosen = false }: ResetMarks,
): ResetStatus {
  const told = (status: ResetStatus['status'], text: string): ResetStatus => ({
    ...{ status, triesLeft: mark ? Number(mark) : undefined, journal, text },
  });
  if (chosen && !mark) {
    return told(
      'not-begun',
      'A reset was chosen in the boot menu, and its system (recovery) did not come so far as to begin it; nothing was changed. See whether recovery starts (kairos-agent bootentry --select recovery), or choose the reset again; kairos-agent reset --cancel forgets it',
    );
  }
  if (!journal) return told(mark ? 'unfinished' : 'none', mark ? 'A reset was begun' : 'There was no reset');
  const { started, finished, failure } = journal;
  const reason = failure
    ? `${failure.message}${failure.hint === undefined ? '' : ` (${failure.hint})`}`
    : 'it was cut off each time before it could tell why';
  const failed = journal.status === 'failed';
  if (journal.status === 'done') return told('done', `The reset of ${started} was done at ${finished}`);
  if (!journal.begun) {
    return told('failed', `The reset of ${started} was refused, and nothing was changed: ${reason}`);
  }
  if (mark === '0') {
    return told(
      'gave-up',
      `The reset of ${started} is not finished, and no start is left to it: ${reason}. Mend that, then run kairos-agent reset; or give it up with kairos-agent reset --cancel`,
    );
  }
  if (mark === '') {
    return failed
      ? told('gave-up', `The reset of ${started} is not finished: ${reason}`)
      : told('none', 'A reset was about to begin, and nothing was changed');
  }
  const left = mark === undefined ? '' : ` (${mark} left)`;
  return told(
    failed ? 'failed' : 'unfinished',
    `The reset of ${started} goes on at the next start${left}${failed ? `; it stopped for this: ${reason}` : ''}`,
  );
}
