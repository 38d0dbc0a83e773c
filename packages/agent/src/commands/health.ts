import { type Clock, systemClock } from '@kairos/host/clock';
import type { Host } from '@kairos/host/host';
import { type CheckResult, checkHealth } from '../health/checks.ts';
import { readHealthConfig } from '../health/config.ts';
import { checkRoot } from '../operation.ts';

export interface HealthReport {
  readonly healthy: boolean;
  readonly failures: readonly string[];
  readonly warnings: readonly string[];
  readonly checks: readonly CheckResult[];
}

/**
 * `kairos-agent health`: runs the checks that decide whether a new system is good, now and once, or with `wait` until
 * they succeed or the deadline passes. Marks nothing and restarts nothing.
 * @throws KairosError `NOT_ROOT`, `INTERRUPTED`
 */
export async function health(
  host: Host,
  options: { readonly wait?: boolean; readonly clock?: Clock; readonly signal?: AbortSignal } = {},
): Promise<HealthReport> {
  checkRoot(host);
  const clock = options.clock ?? systemClock;
  const config = await readHealthConfig(host);
  const result = await checkHealth(host, {
    ...{ deadline: options.wait ? config.deadline : 0, clock, checks: config.checks },
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  return {
    healthy: result.failures.length === 0,
    failures: result.failures,
    warnings: [...config.warnings, ...result.warnings],
    checks: result.checks,
  };
}

/** For people: a line for each check, then what was only worth a warning. */
export function renderHealth({ healthy, checks, warnings }: HealthReport): string {
  const lines = checks.map(({ name, required, status, reason }) => {
    const mark = status === 'ok' ? 'ok    ' : required ? 'FAILED' : 'warn  ';
    return `${mark} ${name}${reason === undefined ? '' : `: ${reason}`}`;
  });
  const shown = new Set(checks.map(({ name, reason }) => `${name}: ${reason}`));
  return [
    ...lines,
    ...warnings.filter((warning) => !shown.has(warning)).map((warning) => `note   ${warning}`),
    healthy ? 'healthy' : 'not healthy',
    '',
  ].join('\n');
}
