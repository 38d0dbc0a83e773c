import { reasonOf } from '@kairos/facts/errors';
import { slotDirectory } from '@kairos/facts/slot';
import { type GrubVariables, readGrubEnvironment } from '@kairos/host/grub-environment';
import type { HostFiles } from '@kairos/host/host';
import { damageOf } from '../slots/view.ts';

/**
 * Variables of boot assessment, in `COS_STATE:/boot_assessment`. GRUB loads them before it chooses and saves the
 * counters before it starts a kernel; docs/upgrade.md says what it does with them.
 */
export const assessment = {
  /** Starts that the active slot has left to prove itself. Absent: it has, or was never asked to. `0`: it failed. */
  tries: 'kairos_tries',
  /** The same for the passive slot after the active one failed; at `0` recovery starts. */
  fallbackTries: 'kairos_fallback_tries',
  /** Digest of `image.json` of an image that did not prove itself. GRUB does not read it. */
  failed: 'kairos_failed',
  /** A reset was begun: starts that it has left to be finished. Absent: none is under way. At `0` recovery starts. */
  reset: 'kairos_reset',
  /** `1`: GRUB started `statereset` where no reset was under way. The reset removes it when it begins. */
  resetChosen: 'kairos_reset_chosen',
  /**
   * Starts in a row that a slot has which is not on trial, until GRUB counts it as failed. A boot that comes up gives it
   * {@link goodStarts} again. Absent: they are not counted.
   */
  starts: 'kairos_starts',
  /** What of a slot GRUB could not load, set by GRUB. */
  unloadableActive: 'kairos_unloadable_active',
  unloadablePassive: 'kairos_unloadable_passive',
} as const;

/** Forgets what could not be loaded, where the slots are other ones from now on. */
export function forgetUnloadable(variables: GrubVariables): Record<string, string> {
  const names = [assessment.unloadableActive, assessment.unloadablePassive];
  return Object.fromEntries(names.filter((name) => variables[name] !== undefined).map((name) => [name, '']));
}

/** As many starts as GRUB's menu can count down from. */
export const maximumTries = 9;
export const defaultTries = 3;
/** Starts that a reset has to be finished. */
export const resetTries = 3;

/**
 * Starts in a row that a proven slot has to come up. GRUB's menu has the same number for the slot that comes after. Not
 * few: somebody may switch a healthy node off while it starts, and again.
 */
export const goodStarts = 5;

export type BootableSlot = 'active' | 'passive' | 'recovery';

/** The entry of GRUB's menu that starts a slot. */
export const slotOfEntry: Readonly<Record<string, BootableSlot>> = {
  cos: 'active',
  fallback: 'passive',
  recovery: 'recovery',
  statereset: 'recovery',
};
const entryIds = ['cos', 'fallback', 'recovery', 'statereset'] as const;

/** Entries may be named by their number in the menu. */
function entryId(name: string): string {
  return entryIds[/^\d$/.test(name) ? Number(name) : -1] ?? name;
}

export interface BootEnvironment {
  /** `COS_OEM:/grubenv`. */
  readonly user: GrubVariables;
  /** `COS_STATE:/grub_oem_env`. */
  readonly installation: GrubVariables;
  /** `COS_STATE:/boot_assessment`. */
  readonly assessment: GrubVariables;
}

/** An environment block; one that is damaged counts as empty and is told. */
export function readEnvironment(
  files: HostFiles,
  path: string,
  warn: (message: string) => void,
): GrubVariables {
  try {
    return readGrubEnvironment(files, path);
  } catch (error) {
    warn(reasonOf(error));
    return {};
  }
}

/**
 * What a system that is put in the place of active means for a reset that did not end: one that failed is given up, since
 * the node would start recovery again instead of what it was just given; one that has starts left goes on, and that is told.
 */
export function afterReset(variables: GrubVariables): {
  readonly changes: GrubVariables;
  readonly note: string | undefined;
} {
  const left = variables[assessment.reset];
  if (!left) return { changes: {}, note: undefined };
  return left === '0'
    ? { changes: { [assessment.reset]: '' }, note: 'The reset that failed is given up' }
    : {
        changes: {},
        note: 'A reset is not finished and goes on when the node starts by itself; kairos-agent reset --cancel gives it up',
      };
}

export interface BootChoice {
  /** The entries that GRUB tries, one after another. */
  readonly entries: readonly string[];
  readonly reason:
    | 'default'
    | 'saved'
    | 'once'
    | 'active failed'
    | 'active and passive failed'
    | 'reset unfinished'
    | 'reset failed';
}

/** What GRUB's menu decides when nobody presses a key: the same rules as in system/grub/grub.cfg. */
export function nextBoot(environment: BootEnvironment): BootChoice {
  const variables = { ...environment.user, ...environment.installation, ...environment.assessment };
  const fallbacks = (entry: string): string[] =>
    entry === 'fallback'
      ? ['cos', 'recovery']
      : entry === 'recovery' || entry === 'statereset'
        ? ['cos', 'fallback']
        : ['fallback', 'recovery'];
  const given = variables.default_fallback
    ? variables.default_fallback.split(/\s+/).filter(Boolean).map(entryId)
    : undefined;
  const choice = (entry: string, reason: BootChoice['reason']): BootChoice => ({
    entries: [entry, ...(given ?? fallbacks(entry)).filter((one) => one !== entry)],
    reason,
  });
  if (variables.next_entry) return choice(entryId(variables.next_entry), 'once');
  const reset = variables[assessment.reset];
  if (reset) {
    return reset === '0'
      ? { entries: ['recovery', 'cos', 'fallback'], reason: 'reset failed' }
      : { entries: ['statereset', 'cos', 'fallback'], reason: 'reset unfinished' };
  }
  const wanted = entryId(variables.saved_entry || 'cos');
  if (wanted === 'cos' && variables[assessment.tries] === '0') {
    return variables[assessment.fallbackTries] === '0'
      ? { entries: ['recovery', 'fallback', 'cos'], reason: 'active and passive failed' }
      : { entries: ['fallback', 'recovery', 'cos'], reason: 'active failed' };
  }
  return choice(wanted, variables.saved_entry ? 'saved' : 'default');
}

/**
 * The slots that the boot loader can start and that hold what their `image.json` says, every byte read.
 * @param state where `COS_STATE` is mounted
 * @param recovery where `COS_RECOVERY` is mounted
 */
export async function bootableSlots(
  files: HostFiles,
  state: string,
  recovery?: string,
): Promise<BootableSlot[]> {
  const places: readonly (readonly [BootableSlot, string | undefined])[] = [
    ['active', state],
    ['passive', state],
    ['recovery', recovery],
  ];
  const found: BootableSlot[] = [];
  for (const [slot, mountPoint] of places) {
    if (mountPoint === undefined) continue;
    if ((await damageOf(files, `${mountPoint}${slotDirectory(slot)}`)) === undefined) found.push(slot);
  }
  return found;
}
