import { bootTraces } from '@kairos/facts/boot-trace';
import { reasonOf } from '@kairos/facts/errors';
import { paths } from '@kairos/facts/paths';
import type { Host } from '@kairos/host/host';
import type { BootFacts } from './boot-facts.ts';
import { complaintOf } from './boot-report.ts';
import { outcomeOf, type StepResult } from './execute-plan.ts';

/** Complaints that a trace keeps: enough to tell what went wrong, in a small file. */
const longestTrace = 40;

/**
 * Keeps how far a start on trial has come, on OEM, where the system that runs after a failure finds it. Nothing is
 * written at any other boot, nor where OEM is not mounted. Two small writes: when OEM is there, and at the end.
 *
 * @returns why it could not be written
 */
export function keepTrace(
  host: Host,
  facts: Pick<BootFacts, 'trial' | 'slot' | 'imageHash'>,
  results: readonly StepResult[],
  done: boolean,
): string | undefined {
  if (facts.trial === undefined) return undefined;
  if (!host.mounts().some(({ target }) => target === paths.oem)) return undefined;
  const outcome = outcomeOf(results);
  const step = !done ? 'immucore' : outcome === 'failed' ? 'immucore failed' : 'init';
  const trace = {
    schemaVersion: 1,
    ...(facts.slot === undefined ? {} : { slot: facts.slot }),
    ...(facts.imageHash === undefined ? {} : { image: facts.imageHash }),
    triesLeft: facts.trial,
    step,
    complaints: results.flatMap((result) => complaintOf(result) ?? []).slice(-longestTrace),
  };
  try {
    host.files.write(`${bootTraces.directory}/${bootTraces.immucore}`, `${JSON.stringify(trace)}\n`, {
      mode: 0o640,
    });
    return undefined;
  } catch (error) {
    return reasonOf(error);
  }
}
