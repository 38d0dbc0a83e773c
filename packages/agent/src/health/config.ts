import { durationMilliseconds, type HealthKeys, health, watchdog } from '@kairos/config/schema/health';
import { reasonOf } from '@kairos/facts/errors';
import type { Host } from '@kairos/host/host';
import { collectNodeConfig } from '../collect-config.ts';

/** What the configuration says about health, on a node that runs. */
export interface HealthConfig {
  /** Milliseconds for all checks. */
  readonly deadline: number;
  readonly checks: NonNullable<HealthKeys['checks']>;
  /** Milliseconds after which a machine that hangs is restarted, for good; `undefined`: while on trial only. */
  readonly watchdog: number | undefined;
  /** Why something that the user wrote does not count. */
  readonly warnings: readonly string[];
}

export const defaultDeadline = 5 * 60_000;
const defaultWatchdog = 60_000;

/**
 * Reads `health:` and `watchdog:`. The configuration outlives a change of slots, so a mistake in it says nothing about
 * the slot: what is not valid is left out, with a warning.
 */
export async function readHealthConfig(host: Host): Promise<HealthConfig> {
  const none: HealthConfig = { deadline: defaultDeadline, checks: [], watchdog: undefined, warnings: [] };
  const warnings: string[] = [];
  try {
    const { config, problems } = await collectNodeConfig(host, { commandLine: true });
    warnings.push(
      ...problems
        .filter(({ code }) => code.startsWith('CONFIG_URL_'))
        .map(({ message }) => `health: ${message}; checks that stand there do not count`),
    );
    const parsed = health.nullish().safeParse(config.health);
    if (!parsed.success)
      warnings.push(
        `health: in the configuration is not valid and does not count: ${parsed.error.issues.map(({ path, message }) => `${path.join('.')} ${message}`.trim()).join('; ')}`,
      );
    const dog = watchdog.safeParse(config.watchdog);
    if (!dog.success) warnings.push('watchdog: in the configuration is not valid and does not count');
    const given = parsed.data ?? {};
    const time = dog.data;
    return {
      deadline: durationMilliseconds(given.deadline) ?? defaultDeadline,
      checks: given.checks ?? [],
      watchdog:
        time === true
          ? defaultWatchdog
          : time === false
            ? undefined
            : durationMilliseconds(time) || undefined,
      warnings,
    };
  } catch (error) {
    return { ...none, warnings: [`the configuration cannot be read: ${reasonOf(error)}`] };
  }
}
