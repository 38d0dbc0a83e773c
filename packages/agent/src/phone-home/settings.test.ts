import { expect, test } from 'bun:test';
import { phoneHomeSettings } from './settings.ts';

test('flags stand above the configuration; defaults', () => {
  expect(
    phoneHomeSettings(
      { phonehome: { url: 'https://a/', group: 'g' } },
      { group: 'h', heartbeatInterval: '5s' },
    ),
  ).toMatchObject({
    ...{ url: 'https://a', group: 'h', heartbeat: 5000, backoff: 5000, artifactRetries: 3 },
    allowed: new Set(['upgrade', 'upgrade-recovery', 'reboot', 'unregister']),
  });
  expect(phoneHomeSettings({})).toBeUndefined();
  expect(
    phoneHomeSettings({ phonehome: { url: 'http://a', artifact_download_retry_interval: '5m' } })
      ?.artifactInterval,
  ).toBe(60_000);
});

test.each([
  [{ url: 'ftp://x' }, 'is not an http or https address'],
  [
    { url: 'https://x', heartbeat_interval: 'soon' },
    'phonehome.heartbeat_interval: "soon" is not a duration',
  ],
  [{ url: 'https://x', heartbeat_interval: '0s' }, 'is not a duration'],
  [{ url: 'https://x', allowed_commands: ['upgrad'] }, 'did you mean upgrade?'],
])('%j is refused', (phonehome, reason) => {
  expect(() => phoneHomeSettings({ phonehome })).toThrow(reason);
});
