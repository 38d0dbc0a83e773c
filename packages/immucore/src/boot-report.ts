import { bootStateNames } from '@kairos/facts/boot-state';
import { paths } from '@kairos/facts/paths';
import { version } from '@kairos/facts/version';
import type { HostFiles } from '@kairos/host/host';
import type { BootContext, StageTrouble } from './boot-context.ts';
import { assemblyOf } from './boot-plan.ts';
import { type BootOutcome, outcomeOf, type StepResult, type StepStatus } from './execute-plan.ts';
import type { Layout } from './layout.ts';

/** The contents of `boot-report.json`; docs/immucore.md describes each field. */
export interface BootReport {
  readonly schemaVersion: 1;
  readonly version: string;
  readonly outcome: BootOutcome;
  /** As `kairos-agent state get boot` prints it. */
  readonly bootState: string;
  readonly slot?: string;
  readonly assembly: 'persistent' | 'ephemeral' | 'none';
  readonly machineId?: string;
  readonly hostname?: string;
  /** Seconds from the start of the kernel to the start of immucore. */
  readonly uptime?: number;
  readonly milliseconds: number;
  readonly steps: readonly {
    readonly name: string;
    readonly criticality: string;
    readonly status: StepStatus;
    readonly milliseconds: number;
    readonly error?: { readonly message: string; readonly code?: string; readonly hint?: string };
    readonly problems?: readonly string[];
    readonly note?: string;
  }[];
  /** Errors and warnings of the stages, which name the user's file and line. */
  readonly stages: readonly StageTrouble[];
  readonly layout?: Layout;
}

export function bootReport(
  context: BootContext,
  results: readonly StepResult[],
  times: { readonly milliseconds: number; readonly uptime: number | undefined },
): BootReport {
  const { facts, layout, machineId, hostname, stageTroubles } = context;
  return {
    schemaVersion: 1,
    version,
    outcome: outcomeOf(results),
    bootState: bootStateNames[facts.state],
    ...(facts.slot === undefined ? {} : { slot: facts.slot }),
    assembly: assemblyOf(facts),
    ...(machineId === undefined ? {} : { machineId }),
    ...(hostname === undefined ? {} : { hostname }),
    ...(times.uptime === undefined ? {} : { uptime: times.uptime }),
    milliseconds: Math.round(times.milliseconds),
    steps: results.map(({ step, status, milliseconds, error, problems, note }) => ({
      name: step.name,
      criticality: step.criticality,
      status,
      milliseconds,
      ...(error === undefined ? {} : { error }),
      ...(problems.length === 0 ? {} : { problems }),
      ...(note === undefined ? {} : { note }),
    })),
    stages: stageTroubles,
    ...(layout === undefined ? {} : { layout }),
  };
}

/** One line for people about what is wrong with a step; `undefined` where nothing is. */
export function complaintOf({ step, status, error, problems }: StepResult): string | undefined {
  if (status === 'ok') return undefined;
  const what = error?.message ?? problems.join('; ');
  const hint = error?.hint === undefined ? '' : `. ${error.hint}`;
  return `${step.name} ${status} (${step.criticality}): ${what}${hint}`;
}

/** The timeline in the form that tools of the field read: slowest first. */
export function timelineOf(results: readonly StepResult[]) {
  return [...results]
    .sort((a, b) => b.milliseconds - a.milliseconds)
    .map(({ step, milliseconds, error, problems }) => ({
      name: step.name,
      duration_ms: Math.round(milliseconds),
      error: error?.message ?? problems.join('; '),
    }));
}

export function writeReport(files: HostFiles, report: BootReport, results: readonly StepResult[]): void {
  files.write(paths.bootReport, `${JSON.stringify(report, null, 2)}\n`);
  files.write(`${paths.immucoreRun}/boot-timeline.json`, `${JSON.stringify(timelineOf(results), null, 2)}\n`);
}
