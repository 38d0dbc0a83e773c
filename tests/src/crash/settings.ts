/**
 * How much of the crash matrix runs. Every flush is judged always; `KAIROS_CRASH=full` takes many more samples between
 * flushes, starts and repetitions. `KAIROS_CRASH_SEED` gives other samples.
 */
export interface CrashSettings {
  readonly seed: number;
  /** Samples between two flushes, at most. */
  readonly samples: number;
  /** Points that really boot. */
  readonly boots: number;
  /** Points of each operation at which it is done again. */
  readonly repetitions: number;
}

export function crashSettings(
  env: Readonly<Record<string, string | undefined>> = process.env,
): CrashSettings {
  const seed = Number(env.KAIROS_CRASH_SEED ?? 1);
  if (!Number.isSafeInteger(seed))
    throw new Error(`KAIROS_CRASH_SEED=${env.KAIROS_CRASH_SEED} is not a number`);
  return env.KAIROS_CRASH === 'full'
    ? { seed, samples: 64, boots: 60, repetitions: 25 }
    : { seed, samples: 6, boots: 12, repetitions: 3 };
}
