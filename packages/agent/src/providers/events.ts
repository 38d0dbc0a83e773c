import { parseDuration } from '@kairos/config/template/duration';
import { KairosError } from '@kairos/facts/errors';
import { didYouMean } from '@kairos/facts/suggest';

/** What the agent tells its plug-ins and asks them; the names that plug-ins of the field know. */
export const providerEvents = [
  'agent.install.challenge',
  'agent.install',
  'agent.installprompt',
  'agent.boot',
  'agent.bootstrap',
  'agent.recovery',
  'agent.recovery.stop',
  'agent.available_releases',
  'agent.version_image',
  'agent.interactive-install',
  'agent.reset.before',
  'agent.reset.after',
  'init.provider.install',
  'init.provider.configure',
  'init.provider.info',
] as const;
export type ProviderEvent = (typeof providerEvents)[number];

/** @throws KairosError `EVENT_UNKNOWN` */
export function providerEvent(name: string): ProviderEvent {
  const found = providerEvents.find((event) => event === name);
  if (found !== undefined) return found;
  const meant = didYouMean(name, providerEvents);
  throw new KairosError('EVENT_UNKNOWN', `There is no event ${JSON.stringify(name)}`, {
    exit: 'usage',
    hint: `${meant === undefined ? '' : `Did you mean ${meant}? `}The events are ${providerEvents.join(', ')}`,
  });
}

const second = 1000;
const minute = 60 * second;
/** Milliseconds that a plug-in has, where neither the table below nor the configuration says otherwise. */
const defaultTimeout = minute;

/** `undefined`: as long as it takes. These wait for a person, or are the provider's own service. */
const timeouts: Partial<Record<ProviderEvent, number | undefined>> = {
  'agent.install': undefined,
  'agent.bootstrap': undefined,
  'agent.boot': 5 * minute,
  'agent.available_releases': 30 * second,
  'agent.version_image': 30 * second,
  'agent.interactive-install': 30 * second,
  'init.provider.install': 30 * minute,
  'init.provider.configure': 5 * minute,
};

/** Durations by event, as `providers.timeouts` of the configuration has them: `90s`, `5m`, `0` for no limit. */
export type TimeoutSettings = Readonly<Record<string, string | number | boolean | null | undefined>>;

/**
 * Milliseconds that a plug-in has for an event; `undefined` for no limit.
 * @throws KairosError `TIMEOUT_INVALID`
 */
export function timeoutOf(event: ProviderEvent, settings: TimeoutSettings = {}): number | undefined {
  const given = settings[event] ?? settings.default;
  if (given === undefined || given === null) return event in timeouts ? timeouts[event] : defaultTimeout;
  const duration = parseDuration(String(given));
  if (duration === undefined || duration < 0n) {
    throw new KairosError(
      'TIMEOUT_INVALID',
      `providers.timeouts: ${JSON.stringify(given)} for ${event in settings ? event : 'default'} is not a duration`,
      { exit: 'invalidInput', hint: 'Write a number with a unit, such as 90s or 5m, or 0 for no limit' },
    );
  }
  return duration === 0n ? undefined : Number(duration / 1_000_000n);
}
