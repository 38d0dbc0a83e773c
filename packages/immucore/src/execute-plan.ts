import { KairosError, reasonOf } from '@kairos/facts/errors';
import type { Clock } from '@kairos/host/clock';
import type { BootStep } from './boot-plan.ts';

/** What an action says when it did its work. */
export interface ActionResult {
  /** What is not as it should be although the work was done. */
  readonly problems?: readonly string[];
  /** Worth knowing, nothing wrong. */
  readonly note?: string;
}

export type StepStatus = 'ok' | 'degraded' | 'failed' | 'skipped';

export interface StepResult {
  readonly step: BootStep;
  readonly status: StepStatus;
  readonly milliseconds: number;
  /** Why it failed or was skipped. */
  readonly error?: { readonly message: string; readonly code?: string; readonly hint?: string };
  readonly problems: readonly string[];
  readonly note?: string;
}

function errorOf(error: unknown): NonNullable<StepResult['error']> {
  if (!(error instanceof KairosError)) return { message: reasonOf(error) };
  return {
    message: error.message,
    code: error.code,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  };
}

/**
 * Carries out steps in order. A step whose need did not succeed is skipped and says which; after a failed `must` step
 * nothing else is touched, because the machine is about to start over from the other slot.
 *
 * @param earlier results of steps that went before, whose names later steps may need
 */
export async function executePlan(
  steps: readonly BootStep[],
  perform: (step: BootStep) => ActionResult | Promise<ActionResult>,
  options: {
    readonly clock: Clock;
    readonly earlier?: readonly StepResult[];
    readonly onResult?: (result: StepResult) => void;
  },
): Promise<StepResult[]> {
  const { clock, earlier = [], onResult } = options;
  const results: StepResult[] = [];
  const lost = new Map<string, StepStatus>();
  let fatal: string | undefined;
  const record = (result: StepResult): void => {
    if (result.status === 'failed' || result.status === 'skipped') {
      lost.set(result.step.name, result.status);
      if (result.step.criticality === 'must') fatal ??= result.step.name;
    }
    results.push(result);
    onResult?.(result);
  };
  for (const { step, status } of earlier) {
    if (status !== 'failed' && status !== 'skipped') continue;
    lost.set(step.name, status);
    if (step.criticality === 'must') fatal ??= step.name;
  }
  for (const step of steps) {
    const need = step.needs.find((name) => lost.has(name));
    if (fatal !== undefined || need !== undefined) {
      const message =
        fatal === undefined
          ? `needs "${need}", which ${lost.get(need ?? '') === 'failed' ? 'failed' : 'was skipped'}`
          : `not tried after "${fatal}" failed`;
      record({ step, status: 'skipped', milliseconds: 0, error: { message }, problems: [] });
      continue;
    }
    const started = clock.now();
    const milliseconds = () => Math.max(0, Math.round((clock.now() - started) * 1000) / 1000);
    try {
      const { problems = [], note } = await perform(step);
      record({
        step,
        status: problems.length > 0 ? 'degraded' : 'ok',
        milliseconds: milliseconds(),
        problems,
        ...(note === undefined ? {} : { note }),
      });
    } catch (error) {
      record({ step, status: 'failed', milliseconds: milliseconds(), error: errorOf(error), problems: [] });
    }
  }
  return results;
}

/** What the boot as a whole came to. */
export type BootOutcome = 'ok' | 'degraded' | 'failed';

export function outcomeOf(results: readonly StepResult[]): BootOutcome {
  let outcome: BootOutcome = 'ok';
  for (const { step, status } of results) {
    if (status === 'ok' || step.criticality === 'ignore') continue;
    if (step.criticality === 'must' && status !== 'degraded') return 'failed';
    outcome = 'degraded';
  }
  return outcome;
}
