import { describe, expect, test } from 'bun:test';
import { MiB } from '@kairos/facts/size';
import { digestOf, manifestOf, sevenFiles, viewOf } from '../slots/fixture-slot.ts';
import type { UpgradeJournal } from './journal.ts';
import type { SlotPlace } from './leftovers.ts';
import { planUpgrade, type UpgradeFacts, type UpgradeWish } from './plan.ts';
import type { UpgradeStep } from './step.ts';

const slot = (version: string | undefined): SlotPlace => ({
  there: version !== undefined,
  slot: version === undefined ? undefined : viewOf(version),
});

interface Given {
  readonly active?: string;
  readonly passive?: string;
  readonly transition?: string;
  readonly running?: string;
  readonly boot?: UpgradeFacts['bootState'];
  readonly journal?: Partial<UpgradeJournal>;
  readonly more?: Partial<UpgradeFacts>;
}

function factsOf(given: Given): UpgradeFacts {
  const { active = 'v2', passive = 'v1', running = 'v2', boot = 'active' } = given;
  return {
    ...{ mountPoint: '/s', bootState: boot, runningRootHash: digestOf(running).slice(7) },
    ...{ target: slot(active), passive: slot(passive), discarded: [], architecture: 'amd64' },
    transition: {
      ...slot(given.transition),
      size: given.transition === undefined ? 0 : 70 * MiB,
      present: [],
      partial: {},
    },
    local: {},
    journal: given.journal && {
      ...{ schemaVersion: 1, slot: 'active', next: digestOf('v3'), previous: digestOf('v2') },
      previousBecomesPassive: true,
      ...given.journal,
    },
    flavor: 'debian',
    image: {
      source: 'dir:/x',
      manifestDigest: digestOf('v3'),
      manifest: manifestOf('v3'),
      files: sevenFiles,
    },
    ...{ label: 'COS_STATE', free: 100 * MiB, targetDamage: undefined, assessment: {} },
    userEnvironment: { path: '/oem/grubenv', variables: {} },
    bootloader: { steps: [], notes: [] },
    ...{ otherMounts: [], recordPath: '/p/.kairos-state' },
    ...given.more,
  };
}

const plan = (given: Given = {}, wish: Partial<UpgradeWish> = {}) =>
  planUpgrade(factsOf(given), { slot: 'active', force: false, after: 'nothing', ...wish });

/** The changes of names, in short. */
const moves = (steps: readonly UpgradeStep[]) =>
  steps.flatMap((step) => {
    const short = (path: string) => path.replace('/s/cOS/', '').replace(/(discard-).*(\d{2})$/, '$1$2');
    if (step.kind === 'exchange') return [`${short(step.a)}<->${short(step.b)}`];
    if (step.kind === 'rename') return [`${short(step.from)}->${short(step.to)}`];
    if (step.kind === 'remove') return [`-${short(step.path)}`];
    return step.kind === 'copy-image' ? ['copy'] : step.kind === 'write-journal' ? ['journal'] : [];
  });

describe('names', () => {
  const out = (version: string) => [
    `-discard-0${version}`,
    `transition->discard-0${version}`,
    `-discard-0${version}`,
  ];
  test.each<[string, Given, Partial<UpgradeWish>, string[]]>([
    [
      'from active: the old active becomes the fallback',
      {},
      {},
      ['copy', 'journal', 'transition<->active', 'transition<->passive', ...out('1'), '-upgrade.json'],
    ],
    [
      'from passive: the fallback stays',
      { boot: 'passive', running: 'v1' },
      {},
      ['copy', 'journal', 'transition<->active', ...out('2'), '-upgrade.json'],
    ],
    [
      'an active that has not proven itself does not become the fallback; it runs, so its files stay',
      { more: { assessment: { kairos_tries: '2' } } },
      {},
      [
        ...['copy', 'journal', 'transition<->active', '-discard-02', 'transition->discard-02'],
        '-upgrade.json',
      ],
    ],
    [
      'a damaged active does not become the fallback',
      { boot: 'recovery', more: { targetDamage: 'root.img' } },
      {},
      ['copy', 'journal', 'transition<->active', ...out('2'), '-upgrade.json'],
    ],
    [
      'after an upgrade without a restart: what runs is the fallback already and stays',
      { active: 'v4', passive: 'v2', running: 'v2', more: { assessment: { kairos_tries: '3' } } },
      {},
      ['copy', 'journal', 'transition<->active', ...out('4'), '-upgrade.json'],
    ],
    [
      'no fallback: it gets one',
      { more: { passive: slot(undefined) } },
      {},
      ['copy', 'journal', 'transition<->active', 'transition->passive', '-upgrade.json'],
    ],
    [
      'cut between the exchanges, another image wished',
      { active: 'v4', transition: 'v2', running: 'v4', journal: { next: digestOf('v4') } },
      {},
      [
        ...['transition<->passive', ...out('1'), '-upgrade.json'],
        ...['copy', 'journal', 'transition<->active', 'transition<->passive', ...out('2'), '-upgrade.json'],
      ],
    ],
    [
      'cut between the exchanges, the same image wished: only the rest',
      { active: 'v3', transition: 'v2', running: 'v3', journal: {} },
      {},
      ['transition<->passive', ...out('1'), '-upgrade.json'],
    ],
    [
      'cut behind the exchanges',
      { active: 'v3', passive: 'v2', transition: 'v1', running: 'v3', journal: {} },
      {},
      [...out('1'), '-upgrade.json'],
    ],
    [
      'the slot of an earlier run that the system runs from keeps its files',
      {
        more: { discarded: [{ name: 'discard-9', slot: viewOf('v2'), size: MiB }] },
        active: 'v4',
        running: 'v2',
      },
      {},
      ['copy', 'journal', 'transition<->active', 'transition<->passive', ...out('1'), '-upgrade.json'],
    ],
    [
      'recovery has no fallback',
      { active: 'v1', passive: 'v9' },
      { slot: 'recovery' },
      ['copy', 'journal', 'transition<->recovery', ...out('1'), '-upgrade.json'],
    ],
  ])('%s', (_, given, wish, expected) => {
    expect(moves(plan(given, wish).steps)).toEqual(expected);
  });
});

test('the new system is counted before it can start, and started next', () => {
  const { steps } = plan();
  const index = (kind: string, path: string) =>
    steps.findIndex((step) => step.kind === kind && 'path' in step && step.path === path);
  const exchange = steps.findIndex(({ kind }) => kind === 'exchange');
  expect(steps[index('set-environment', '/s/boot_assessment')]).toMatchObject({
    changes: { kairos_tries: '3', kairos_fallback_tries: '3' },
  });
  expect(index('set-environment', '/s/boot_assessment')).toBeLessThan(exchange);
  expect(index('set-environment', '/oem/grubenv')).toBeGreaterThan(exchange);
  expect(plan({}, { tries: 0 }).steps[index('set-environment', '/s/boot_assessment')]).toMatchObject({
    changes: { kairos_tries: '', kairos_fallback_tries: '' },
  });
});

test.each<[string, string, number, string]>([
  ['failed is given up behind the exchange', '0', 1, 'The reset that failed is given up'],
  ['goes on is told', '2', 0, 'A reset is not finished'],
])('from recovery, a reset that %s', (_, left, clears, note) => {
  const given: Given = { boot: 'recovery', more: { assessment: { kairos_reset: left } } };
  const { steps, notes } = plan(given);
  const clearing = steps.flatMap((step, index) =>
    step.kind === 'set-environment' && 'kairos_reset' in step.changes ? [[index, step.changes] as const] : [],
  );
  expect(clearing.map(([, changes]) => changes)).toEqual(Array(clears).fill({ kairos_reset: '' }));
  const exchange = steps.findIndex(({ kind }) => kind === 'exchange');
  expect(clearing.every(([index]) => index > exchange)).toBe(true);
  expect(notes.some((text) => text.startsWith(note))).toBe(true);
  // Recovery is no reason to start something else.
  expect(plan(given, { slot: 'recovery' }).notes).toEqual([]);
});

test('an image that runs already is nothing to do', () => {
  const { upToDate, steps } = plan({ active: 'v3', passive: 'v2', running: 'v3' });
  expect([upToDate, steps]).toEqual([true, []]);
});

test('an image that is in place and does not run yet is not copied again', () => {
  const { upToDate, steps } = plan({ active: 'v3', passive: 'v2', running: 'v2' });
  expect(upToDate).toBe(true);
  expect(moves(steps)).toEqual([]);
  expect(steps.map(({ phase }) => phase)).toContain('boot-entry');
});

test.each<[string, Given, Partial<UpgradeWish>, object]>([
  ['live', { boot: 'livecd' }, {}, { code: 'UPGRADE_NOT_INSTALLED', exit: 'wrongState' }],
  ['unknown', { boot: 'unknown' }, {}, { code: 'UPGRADE_NOT_INSTALLED' }],
  [
    'another architecture',
    { more: { architecture: 'arm64' } },
    {},
    { code: 'WRONG_ARCHITECTURE', exit: 'unsuitableImage' },
  ],
  [
    'another flavor',
    {
      more: {
        image: { ...factsOf({}).image, manifest: manifestOf('v3', { flavor: 'fedora' }) },
      },
    },
    {},
    { code: 'FLAVOR_CHANGE' },
  ],
  [
    'a file is missing',
    { more: { image: { ...factsOf({}).image, files: new Map([...sevenFiles].slice(1)) } } },
    {},
    { code: 'SLOT_INCOMPLETE' },
  ],
  [
    'a file that climbs',
    { more: { image: { ...factsOf({}).image, files: new Map([...sevenFiles, ['../x', 1]]) } } },
    {},
    { code: 'SLOT_FILE_NAME' },
  ],
  ['too many tries', {}, { tries: 10 }, { code: 'TRIES_INVALID' }],
  ['no space', { more: { free: 71 * MiB - 1 } }, {}, { code: 'NO_SPACE', exit: 'noSpace' }],
])('%s is refused', (_, given, wish, error) => {
  expect(() => plan(given, wish)).toThrow(expect.objectContaining(error));
});
