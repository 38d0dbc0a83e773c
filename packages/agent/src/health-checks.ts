import { reasonOf } from '@kairos/facts/errors';
import { paths } from '@kairos/facts/paths';
import type { Host } from '@kairos/host/host';

/** The user's checks: executables that exit with 0 when all is well. */
export const healthDirectory = '/etc/kairos/health.d';

export interface HealthResult {
  /** Why the boot is not good; none where it is. */
  readonly failures: readonly string[];
  /** What is not as it should be and does not count. */
  readonly warnings: readonly string[];
}

/** Time as the checks see it; a test has its own. */
export interface Clock {
  /** Milliseconds from an arbitrary point. */
  now(): number;
  sleep(milliseconds: number): Promise<void>;
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * Steps of the boot that were not done and matter. A step that was done with problems, such as a stage with an error in
 * the user's configuration, is a warning: it is no better on the other slot.
 */
export function judgeBootReport(text: string | undefined): HealthResult {
  let report: unknown;
  try {
    report = JSON.parse(text ?? '');
  } catch {
    report = undefined;
  }
  if (!isRecord(report) || !Array.isArray(report.steps)) {
    return { failures: [`the boot left no report that can be read (${paths.bootReport})`], warnings: [] };
  }
  const failures: string[] = [];
  const warnings: string[] = [];
  for (const step of report.steps.filter(isRecord)) {
    if (step.status === 'ok' || step.criticality === 'ignore') continue;
    const why = isRecord(step.error) ? step.error.message : [step.problems ?? []].flat().join('; ');
    const words = `boot step ${step.name} ${step.status}: ${why}`;
    (step.status === 'degraded' ? warnings : failures).push(words);
  }
  return { failures, warnings };
}

/** Units of ours that must not have failed. */
const ownUnit = /^cos-setup-(fs|boot|network)\.service$/;

async function failedUnits(host: Host): Promise<HealthResult> {
  if (!host.files.exists('/run/systemd/system')) return { failures: [], warnings: [] };
  const { stdout } = await host.run(['systemctl', 'list-units', '--state=failed', '--plain', '--no-legend']);
  const units = stdout
    .split('\n')
    .map((line) => line.trim().split(/\s+/)[0] ?? '')
    .filter(Boolean);
  const words = (unit: string) => `${unit} failed`;
  return {
    failures: units.filter((unit) => ownUnit.test(unit)).map(words),
    warnings: units.filter((unit) => !ownUnit.test(unit)).map(words),
  };
}

interface UserCheck {
  readonly path: string;
  readonly required: boolean;
}

function userChecks(host: Host): UserCheck[] {
  const { files } = host;
  return [
    [healthDirectory, true] as const,
    [`${healthDirectory}/required.d`, true] as const,
    [`${healthDirectory}/wanted.d`, false] as const,
  ].flatMap(([directory, required]) =>
    files
      .list(directory)
      .map((name) => `${directory}/${name}`)
      .filter((path) => {
        const status = files.status(path);
        const isProgram = status?.kind === 'file' && (status.mode & 0o111) !== 0;
        return isProgram || status?.kind === 'symlink';
      })
      .map((path) => ({ path, required })),
  );
}

/** Milliseconds between two runs of a check that fails. */
const retryInterval = 5000;

/** Runs a check until it succeeds or there is no time left; gives why it failed. */
async function runCheck(
  host: Host,
  { path }: UserCheck,
  deadline: number,
  clock: Clock,
): Promise<string | undefined> {
  for (;;) {
    const left = Math.max(1, Math.ceil(deadline - clock.now()));
    let reason: string;
    try {
      await host.run([host.files.real(path)], { timeout: left });
      return undefined;
    } catch (error) {
      reason = `${path}: ${reasonOf(error)}`;
    }
    if (clock.now() + retryInterval >= deadline) return reason;
    await clock.sleep(retryInterval);
  }
}

/**
 * Whether this boot is good: what the boot reported, our own units, then the user's checks one after another. A check
 * that fails is run again until the deadline (milliseconds from now) has passed.
 */
export async function checkHealth(host: Host, deadline: number, clock: Clock): Promise<HealthResult> {
  const end = clock.now() + deadline;
  const report = judgeBootReport(host.files.readTextIfAny(paths.bootReport));
  const units = await failedUnits(host);
  const failures = [...report.failures, ...units.failures];
  const warnings = [...report.warnings, ...units.warnings];
  // What cannot get better needs no waiting.
  if (failures.length > 0) return { failures, warnings };
  for (const check of userChecks(host)) {
    const failed = await runCheck(host, check, end, clock);
    if (failed !== undefined) (check.required ? failures : warnings).push(failed);
  }
  return { failures, warnings };
}
