import { expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatGrubEnvironment } from '@kairos/host/grub-environment';
import { assessment, nextBoot } from './choice.ts';
import { parseMenuEntries } from './grub-entries.ts';

const none = { user: {}, installation: {}, assessment: {} };

test.each<[string, Partial<typeof none>, string[], string]>([
  ['nothing said', {}, ['cos', 'fallback', 'recovery'], 'default'],
  ['saved', { user: { saved_entry: 'recovery' } }, ['recovery', 'cos', 'fallback'], 'saved'],
  ['saved by number', { user: { saved_entry: '1' } }, ['fallback', 'cos', 'recovery'], 'saved'],
  [
    'once, over saved',
    { user: { saved_entry: 'recovery', next_entry: 'cos' } },
    ['cos', 'fallback', 'recovery'],
    'once',
  ],
  [
    'the user’s own fallbacks',
    { user: { default_fallback: '0 1 2' } },
    ['cos', 'fallback', 'recovery'],
    'default',
  ],
  ['no fallbacks said', { user: { default_fallback: '' } }, ['cos', 'fallback', 'recovery'], 'default'],
  ['own fallbacks', { user: { default_fallback: 'recovery' } }, ['cos', 'recovery'], 'default'],
  ['on trial', { assessment: { kairos_tries: '1' } }, ['cos', 'fallback', 'recovery'], 'default'],
  ['no tries left', { assessment: { kairos_tries: '0' } }, ['fallback', 'recovery', 'cos'], 'active failed'],
  [
    'no tries left, asked for once',
    { user: { next_entry: 'cos' }, assessment: { kairos_tries: '0' } },
    ['cos', 'fallback', 'recovery'],
    'once',
  ],
  [
    'none left for either',
    { assessment: { kairos_tries: '0', kairos_fallback_tries: '0' } },
    ['recovery', 'fallback', 'cos'],
    'active and passive failed',
  ],
  [
    'a wish for recovery is not touched by a failed active',
    { user: { saved_entry: 'recovery' }, assessment: { kairos_tries: '0' } },
    ['recovery', 'cos', 'fallback'],
    'saved',
  ],
  [
    'a reset that is not finished',
    { user: { saved_entry: 'fallback' }, assessment: { kairos_reset: '2', kairos_tries: '0' } },
    ['statereset', 'cos', 'fallback'],
    'reset unfinished',
  ],
  [
    'a reset that has no starts left',
    { assessment: { kairos_reset: '0' } },
    ['recovery', 'cos', 'fallback'],
    'reset failed',
  ],
  [
    'a wish for one boot comes before an unfinished reset',
    { user: { next_entry: 'cos' }, assessment: { kairos_reset: '2' } },
    ['cos', 'fallback', 'recovery'],
    'once',
  ],
])('%s', (_, given, entries, reason) => {
  expect(nextBoot({ ...none, ...given })).toEqual({ entries, reason } as ReturnType<typeof nextBoot>);
});

test('what GRUB changes in place lies in one sector, so that it is never torn', () => {
  const longest = 'no-partition';
  const variables = Object.fromEntries(
    Object.values(assessment).map((name) => [name, name.includes('unloadable') ? longest : '9']),
  );
  const block = formatGrubEnvironment({ ...variables, kairos_failed: `sha256:${'0'.repeat(64)}` }, 'test');
  expect(Buffer.from(block.subarray(0, 512)).toString()).toMatch(/\n#+$/);
});

test('the menu of a disk has the entries by which people choose', () => {
  const menu = readFileSync(join(import.meta.dir, '../../../../system/grub/grub.cfg'), 'utf8');
  expect(parseMenuEntries(menu, 'Edge')).toEqual([
    { id: 'cos', title: 'Edge' },
    { id: 'fallback', title: 'Edge (fallback)' },
    { id: 'recovery', title: 'Edge recovery' },
    { id: 'statereset', title: 'Edge state reset (auto)' },
  ]);
});

test.each([
  ['menuentry "Remote" --id=remoterecovery {', { id: 'remoterecovery', title: 'Remote' }],
  ["menuentry 'Debian' --class x $menuentry_id_option 'deb-1' {", { id: 'deb-1', title: 'Debian' }],
  ['  submenu Tools {', { id: 'Tools', title: 'Tools' }],
  ['menuentry "A \\"b\\"" {', { id: 'A "b"', title: 'A "b"' }],
])('%s', (line, entry) => {
  expect(parseMenuEntries(`# menuentry "no" {\n${line}\n}\n`)).toEqual([entry]);
});
