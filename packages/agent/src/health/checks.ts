import type { HealthCheckKeys } from '@kairos/config/schema/health';
import { durationMilliseconds } from '@kairos/config/schema/health';
import { reasonOf } from '@kairos/facts/errors';
import { paths } from '@kairos/facts/paths';
import type { Clock } from '@kairos/host/clock';
import type { Host, RunOptions } from '@kairos/host/host';
import { throwIfStopped } from '@kairos/host/streams';
import { readExtensionRecords } from '../extensions/record.ts';
import {
  type Findings,
  failedServices,
  hasDefaultRoute,
  judgeBootReport,
  kubernetesNodeNotReady,
  serviceNotActive,
  targetNotReached,
} from './probes.ts';

/** The user's checks: executables that exit with 0 when all is well. */
export const healthDirectory = '/etc/kairos/health.d';

/** One check and how it went. */
export interface CheckResult {
  readonly name: string;
  readonly from: 'built in' | 'health.d' | 'configuration';
  /** Its failure makes the boot a bad one. */
  readonly required: boolean;
  readonly status: 'ok' | 'failed';
  readonly reason?: string;
  readonly milliseconds: number;
}

export interface HealthResult {
  /** Why the boot is not good; none where it is. */
  readonly failures: readonly string[];
  /** What is not as it should be and does not count. */
  readonly warnings: readonly string[];
  readonly checks: readonly CheckResult[];
}

export interface HealthOptions {
  /** Milliseconds that all checks have together. 0: each is run once. */
  readonly deadline: number;
  readonly clock: Clock;
  /** `health.checks` of the configuration. */
  readonly checks?: readonly HealthCheckKeys[];
  /** Stops the checks, and the programs that run for them. */
  readonly signal?: AbortSignal;
}

/** A host whose programs run with these options where none are given. */
function runningWith(host: Host, options: RunOptions): Host {
  return { ...host, run: (argv, given) => host.run(argv, { ...options, ...given }) };
}

/** A check that may get better with time. */
interface Check {
  readonly name: string;
  readonly from: CheckResult['from'];
  readonly required: boolean;
  /** Milliseconds for one run. */
  readonly timeout: number | undefined;
  /** Why it fails; `undefined` where it does not. */
  readonly run: (host: Host, timeout: number) => Promise<string | undefined>;
}

function directoryChecks(host: Host): Check[] {
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
      .map(
        (path): Check => ({
          ...{ name: path, from: 'health.d', required, timeout: undefined },
          async run(machine, timeout) {
            await machine.run([files.real(path)], { timeout });
            return undefined;
          },
        }),
      ),
  );
}

/** What a check of the configuration looks at. */
function configuredCheck(keys: HealthCheckKeys, index: number): Check {
  const { command, units } = keys;
  const timeout = durationMilliseconds(keys.timeout);
  const of = (kind: string, run: Check['run']): Check => ({
    name: keys.name ?? `${kind} (health.checks[${index}])`,
    ...{ from: 'configuration', required: keys.required ?? true, timeout, run },
  });
  if (typeof command === 'string' || Array.isArray(command)) {
    const argv = typeof command === 'string' ? ['/bin/sh', '-c', command] : command;
    return of('command', async (host, limit) => {
      await host.run(argv as [string, ...string[]], { timeout: limit });
      return undefined;
    });
  }
  if (units) {
    return of('units', async (host) => {
      for (const unit of units) {
        const reason = unit === null ? undefined : await serviceNotActive(host, unit);
        if (reason !== undefined) return reason;
      }
      return undefined;
    });
  }
  if (keys['kubernetes-node-ready']) return of('kubernetes-node-ready', kubernetesNodeNotReady);
  if (keys['default-route']) {
    return of('default-route', async ({ files }) => {
      const read = (name: string) => files.readTextIfAny(`/proc/net/${name}`) ?? '';
      return hasDefaultRoute(read('route'), read('ipv6_route')) ? undefined : 'there is no default route';
    });
  }
  // `default-route: false` and the like: asked for and switched off.
  return of('nothing', async () => undefined);
}

/** Milliseconds between two runs of a check that fails. */
const retryInterval = 5000;

/** Sleeps until the time is over or the signal fires. */
async function pause(
  milliseconds: number,
  { clock, signal }: Pick<HealthOptions, 'clock' | 'signal'>,
): Promise<void> {
  const stopped = Promise.withResolvers<void>();
  const stop = () => stopped.resolve();
  signal?.addEventListener('abort', stop, { once: true });
  await Promise.race([clock.sleep(milliseconds), stopped.promise]);
  signal?.removeEventListener('abort', stop);
}

/** Runs a check until it succeeds, there is no time left, or all is stopped. */
async function settle(
  host: Host,
  check: Check,
  end: number,
  options: Pick<HealthOptions, 'clock' | 'signal'>,
): Promise<CheckResult> {
  const { clock, signal } = options;
  const { name, from, required } = check;
  const started = clock.now();
  for (;;) {
    const left = Math.max(1, Math.ceil(end - clock.now()));
    const limit = Math.min(check.timeout ?? Number.POSITIVE_INFINITY, left > 1 ? left : defaultRun);
    let reason: string | undefined;
    try {
      reason = await check.run(runningWith(host, { timeout: limit }), limit);
    } catch (error) {
      reason = reasonOf(error);
    }
    const milliseconds = Math.round(clock.now() - started);
    if (reason === undefined) return { name, from, required, status: 'ok', milliseconds };
    if (clock.now() + retryInterval >= end || signal?.aborted) {
      return { name, from, required, status: 'failed', reason, milliseconds };
    }
    await pause(retryInterval, options);
  }
}

/** Milliseconds for one run where checks are run once. */
const defaultRun = 30_000;

function findingsCheck(name: string, { failures }: Findings): CheckResult {
  const [reason] = failures.length > 0 ? [failures.join('; ')] : [];
  return {
    ...{ name, from: 'built in', required: true, milliseconds: 0 },
    ...(reason === undefined ? { status: 'ok' } : { status: 'failed', reason }),
  };
}

/**
 * Whether this boot is good: what the boot reported, our own services, whether the init reached its target, then the
 * user's checks. A required check that fails is run again until the deadline has passed, all of them side by side; the
 * others are run once, after them. Changes nothing.
 * @throws KairosError `INTERRUPTED`
 */
export async function checkHealth(machine: Host, options: HealthOptions): Promise<HealthResult> {
  const { clock, deadline, signal } = options;
  // What hangs must not hang the verdict, and a check that has exited is over, whatever it started.
  const host = runningWith(machine, {
    ...{ timeout: defaultRun, leavesOthers: true },
    ...(signal === undefined ? {} : { signal }),
  });
  const end = clock.now() + deadline;
  const report = judgeBootReport(host.files.readTextIfAny(paths.bootReport));
  const services = await failedServices(host);
  throwIfStopped(signal);
  const checks: CheckResult[] = [findingsCheck('boot report', report), findingsCheck('stages', services)];
  const failures = [...report.failures, ...services.failures];
  const extensions = (readExtensionRecords(host.files) ?? [])
    .filter(({ status }) => status !== 'merged')
    .map(
      ({ kind, name, status, reason }) =>
        `the ${kind} ${name} ${status === 'refused' ? 'was refused' : 'is not in place'}: ${reason}`,
    );
  const warnings = [...report.warnings, ...services.warnings, ...extensions];
  // What cannot get better needs no waiting; where nobody waits, all is shown.
  if (failures.length > 0 && deadline > 0) return { failures, warnings, checks };
  const init: Check = {
    ...{ name: 'init', from: 'built in', required: true, timeout: undefined },
    run: targetNotReached,
  };
  const all = [init, ...directoryChecks(host), ...(options.checks ?? []).map(configuredCheck)];
  const required = all.filter((check) => check.required);
  checks.push(...(await Promise.all(required.map((check) => settle(host, check, end, options)))));
  for (const check of all) {
    throwIfStopped(signal);
    if (!check.required) checks.push(await settle(host, check, clock.now(), options));
  }
  throwIfStopped(signal);
  for (const { name, required: counts, reason } of checks) {
    if (reason === undefined || name === 'boot report' || name === 'stages') continue;
    (counts ? failures : warnings).push(`${name}: ${reason}`);
  }
  return { failures, warnings, checks };
}
