import { parseDuration } from '@kairos/config/template/duration';
import { KairosError } from '@kairos/facts/errors';
import { didYouMean } from '@kairos/facts/suggest';
import { isMapping } from '../collect-config.ts';

/** Commands of the fleet server. */
export const phoneHomeCommands = [
  'upgrade',
  'upgrade-recovery',
  'reset',
  'apply-cloud-config',
  'exec',
  'reboot',
  'unregister',
] as const;
export type PhoneHomeCommand = (typeof phoneHomeCommands)[number];

const allowedByDefault: readonly PhoneHomeCommand[] = ['upgrade', 'upgrade-recovery', 'reboot', 'unregister'];

export interface PhoneHomeSettings {
  /** Of the server, without a slash at the end. */
  readonly url: string;
  readonly registrationToken: string;
  readonly group: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Milliseconds, as all of these. */
  readonly heartbeat: number;
  /** Before the first reconnection; doubled up to a minute. */
  readonly backoff: number;
  readonly artifactRetries: number;
  readonly artifactInterval: number;
  readonly allowed: ReadonlySet<PhoneHomeCommand>;
}

export interface PhoneHomeFlags {
  readonly url?: string;
  readonly token?: string;
  readonly group?: string;
  /** As Go writes durations: `30s`. */
  readonly heartbeatInterval?: string;
}

function invalid(key: string, reason: string): KairosError {
  return new KairosError('PHONEHOME_INVALID', `phonehome.${key}: ${reason}`, { exit: 'invalidInput' });
}

function duration(key: string, given: unknown, otherwise: number): number {
  if (given === undefined || given === null || given === '') return otherwise;
  const parsed = parseDuration(String(given));
  if (parsed === undefined || parsed < 1_000_000n || parsed > 86_400_000_000_000n) {
    throw invalid(key, `${JSON.stringify(given)} is not a duration between 1ms and 24h, such as 30s`);
  }
  return Number(parsed / 1_000_000n);
}

/**
 * What `phonehome` of a configuration and the command line say together; `undefined` where neither has an address.
 * @throws KairosError `PHONEHOME_INVALID`
 */
export function phoneHomeSettings(
  config: Readonly<Record<string, unknown>>,
  flags: PhoneHomeFlags = {},
): PhoneHomeSettings | undefined {
  const given = isMapping(config.phonehome) ? config.phonehome : {};
  const text = (value: unknown) => (value === undefined || value === null ? '' : String(value));
  const address = flags.url || text(given.url);
  if (address === '') return undefined;
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.search !== '' || url.hash !== '') {
    throw invalid('url', `${JSON.stringify(address)} is not an http or https address`);
  }
  const list = Array.isArray(given.allowed_commands) ? given.allowed_commands.filter(Boolean) : undefined;
  const allowed = (list ?? allowedByDefault).map((name): PhoneHomeCommand => {
    const found = phoneHomeCommands.find((one) => one === name);
    if (found !== undefined) return found;
    const meant = didYouMean(String(name), phoneHomeCommands);
    throw invalid(
      'allowed_commands',
      `${JSON.stringify(name)} is no command${meant ? `, did you mean ${meant}?` : ''}`,
    );
  });
  const retries = given.artifact_download_retries;
  return {
    url: address.replace(/\/+$/, ''),
    registrationToken: flags.token || text(given.registration_token),
    group: flags.group || text(given.group),
    labels: Object.fromEntries(
      Object.entries(isMapping(given.labels) ? given.labels : {}).map(([name, value]) => [name, text(value)]),
    ),
    heartbeat: duration('heartbeat_interval', flags.heartbeatInterval || given.heartbeat_interval, 30_000),
    backoff: duration('reconnect_backoff', given.reconnect_backoff, 5000),
    artifactRetries: typeof retries === 'number' ? retries : 3,
    artifactInterval: Math.min(
      60_000,
      duration('artifact_download_retry_interval', given.artifact_download_retry_interval, 5000),
    ),
    allowed: new Set(allowed),
  };
}
