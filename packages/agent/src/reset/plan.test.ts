import { describe, expect, test } from 'bun:test';
import { MiB } from '@kairos/facts/size';
import { digestOf, manifestOf, sevenFiles, slotNow } from '../slots/fixture-slot.ts';
import { slotSize } from '../slots/size.ts';
import type { ResetJournal, ResetWish } from './journal.ts';
import type { ResetFacts } from './order.ts';
import type { DataPartition } from './partition.ts';
import { planReset } from './plan.ts';
import type { ResetStep } from './step.ts';

const nothing = slotNow(undefined);
const partition = (number: number, more: Partial<DataPartition> = {}): DataPartition => ({
  ...{ device: `/dev/vda${number}`, filesystem: 'ext4', damage: undefined, mountPoints: [] },
  place: undefined,
  ...more,
});
const wish: ResetWish = {
  ...{ resetPersistent: true, resetOem: false, source: null, entryName: null, tries: 3, after: 'nothing' },
};
const journal: ResetJournal = {
  ...{ schemaVersion: 1, status: 'running', begun: true, started: '2026-01-01T00:00:00Z', finished: null },
  ...{ wish, formatted: [], failure: null, record: null },
};
const facts = (more: Partial<ResetFacts> = {}): ResetFacts => ({
  ...{ bootState: 'autoreset', architecture: 'amd64', now: '2026-01-02T03:04:05Z' },
  image: {
    source: 'dir:/r',
    manifestDigest: digestOf('v1'),
    manifest: manifestOf('v1'),
    files: sevenFiles,
    isLocal: true,
  },
  state: { device: '/dev/vda5', mountPoint: '/s', marked: false, damage: undefined, free: 500 * MiB },
  recovery: { mountPoint: '/r', marked: false },
  ...{
    active: slotNow('v3'),
    passive: slotNow('v2'),
    transition: { there: false, size: 0, present: [], partial: {} },
  },
  ...{ discarded: [], upgradeJournal: false, pending: undefined, menuThere: true },
  persistent: partition(6, { filesystem: 'xfs' }),
  oem: partition(3, { place: '/oem', mountPoints: ['/oem'] }),
  ...{ userEnvironment: {}, installationEnvironment: {}, bootloader: { steps: [], notes: [] } },
  ...{ otherMounts: [], record: null },
  ...more,
});

/** What changes something, in short. */
const short = (steps: readonly ResetStep[]) =>
  steps.flatMap((step): string[] => {
    const path = (text: string) => text.replace('/s/cOS/', '').replace('/s/', '');
    switch (step.kind) {
      case 'exchange':
        return [`${path(step.a)}<->${path(step.b)}`];
      case 'rename':
        return [`${path(step.from)}->${path(step.to)}`];
      case 'remove':
        return [`-${path(step.path)}`];
      case 'copy-image':
        return [step.present.length === 0 ? 'copy' : `copy but ${step.present.length}`];
      case 'write-reset-journal':
        return [`journal ${step.journal.status}${step.journal.formatted.map((one) => ` ${one}`).join('')}`];
      case 'make-filesystem':
        return [`mkfs.${step.filesystem} ${step.label}`];
      case 'set-environment':
        return Object.entries(step.changes).map(([name, value]) => `${name}=${value}`);
      case 'stage':
        return [step.stage];
      case 'hook':
        return [step.program.replace('/usr/bin/kairos-agent.', '')];
      case 'write-file':
        return [`write ${path(step.path)}`];
      case 'forget-entries':
        return [`forget ${path(step.user ?? step.installation)}`];
      case 'record-reset':
        return ['record'];
      case 'verify-image':
      case 'detach':
      case 'attach':
        return [step.kind];
      default:
        return [];
    }
  });
const pre = ['kairos-reset.pre', 'reset.pre.hook'];
const active = ['transition<->active', '-transition'];
const passive = ['copy', 'transition<->passive', '-transition'];
const post = ['after-reset', 'record', 'kairos-reset.after', 'reset.after.hook'];
const format = ['mkfs.xfs COS_PERSISTENT', 'journal running persistent', 'before-reset'];
const end = (made = ' persistent') => [
  `journal done${made}`,
  ...['kairos_reset=', 'kairos_tries=3', 'kairos_fallback_tries=3', 'kairos_failed='],
];
const begin = ['journal running', 'kairos_reset=3', 'kairos_reset_chosen='];

describe('what is done, in order', () => {
  const cases: readonly (readonly [string, Partial<ResetFacts>, Partial<ResetWish>, boolean, string[]])[] = [
    [
      'nothing is erased before the new system is there; stages in the order of the field',
      {},
      {},
      false,
      [...pre, ...begin, 'copy', ...format, ...active, ...passive, ...post, ...end()],
    ],
    [
      'slots that hold the image stay',
      { active: slotNow('v1'), passive: slotNow('v1') },
      {},
      false,
      [...pre, ...begin, ...format, ...post, ...end()],
    ],
    [
      'a slot of the image that is damaged is written again',
      { active: slotNow('v1', 'a flipped bit'), passive: slotNow('v1') },
      {},
      false,
      [...pre, ...begin, 'copy', ...format, ...active, ...post, ...end()],
    ],
    [
      'data is kept where that is wished',
      { active: slotNow('v1'), passive: slotNow('v1'), persistent: partition(6, { place: '/p' }) },
      { resetPersistent: false },
      false,
      [...pre, ...begin, 'before-reset', ...post, ...end('')],
    ],
    [
      'OEM gets a block for GRUB again',
      { active: slotNow('v1'), passive: slotNow('v1') },
      { resetOem: true },
      false,
      [
        ...[...pre, ...begin, 'mkfs.xfs COS_PERSISTENT', 'journal running persistent'],
        ...['detach', 'mkfs.ext4 COS_OEM', 'attach', 'journal running persistent oem', 'before-reset'],
        ...[...post, ...end(' persistent oem')],
      ],
    ],
    [
      'neither OEM nor persistent is there',
      { active: nothing, passive: nothing, persistent: undefined, oem: undefined },
      { resetOem: true },
      false,
      [
        ...[...pre, ...begin, 'copy', 'before-reset', 'transition->active', '-transition'],
        ...['copy', 'transition->passive', '-transition', 'after-reset', 'kairos-reset.after'],
        ...['reset.after.hook', ...end('')],
      ],
    ],
    [
      'what goes on does not make a file system again, nor count its starts anew',
      {
        active: slotNow('v1'),
        transition: { there: true, size: slotSize(sevenFiles), present: ['root.img'], partial: {} },
        pending: { ...journal, formatted: ['persistent'] },
        state: { ...facts().state, marked: true },
      },
      {},
      true,
      [
        ...[...pre, 'journal running persistent', 'before-reset', 'copy but 1', 'transition<->passive'],
        ...['-transition', ...post, ...end()],
      ],
    ],
    [
      'one that was done has only its mark left',
      { pending: { ...journal, status: 'done', formatted: ['persistent'] } },
      {},
      true,
      end(),
    ],
    [
      'by hand after one that was cut off: all is done anew',
      { bootState: 'recovery', pending: { ...journal, formatted: ['persistent'] } },
      {},
      false,
      [...pre, ...begin, 'copy', ...format, ...active, ...passive, ...post, ...end()],
    ],
    [
      'what upgrades left goes, saved entries are forgotten, the title is set',
      {
        active: slotNow('v1'),
        passive: slotNow('v1'),
        discarded: [{ name: 'discard-1', size: 5 }],
        upgradeJournal: true,
        transition: { there: true, size: 5, present: [], partial: {} },
        userEnvironment: { saved_entry: 'statereset', extra_cmdline: 'quiet' },
        installationEnvironment: { next_entry: 'recovery' },
      },
      { entryName: 'Edge', tries: 0 },
      false,
      [
        ...[...pre, '-discard-1', '-transition', 'default_menu_entry=Edge', ...begin, '-upgrade.json'],
        ...[...format, ...post, 'forget /oem/grubenv', 'journal done persistent'],
        ...['kairos_reset=', 'kairos_tries=', 'kairos_fallback_tries=', 'kairos_failed='],
      ],
    ],
    [
      'a state partition that cannot be mounted: the image is read whole first, the menu comes when its mark is there',
      {
        state: { ...facts().state, damage: 'bad superblock', free: 900 * MiB },
        ...{ active: nothing, passive: nothing, menuThere: false },
        bootloader: {
          steps: [{ kind: 'write-file', path: '/s/grub2/grub.cfg', mode: 0o644, content: new Uint8Array() }],
          notes: [],
        },
      },
      {},
      false,
      [
        ...[...pre, 'verify-image', 'journal running', 'kairos_reset=3', 'kairos_reset_chosen='],
        ...['mkfs.ext4 COS_STATE', 'default_menu_entry=Kairos', ...begin, 'write grub2/grub.cfg'],
        ...['copy', ...format, 'transition->active', '-transition'],
        ...['copy', 'transition->passive', '-transition', ...post, ...end()],
        ...['kairos_reset=', '-/r/reset.json'],
      ],
    ],
  ];
  test.each(cases)('%s', (_, given, more, resumes, expected) => {
    expect(short(planReset(facts(given), { ...wish, ...more }, { resumes }).steps)).toEqual(expected);
  });

  test.each(cases)(
    '%s: what gets a name is at its place on the disk, for GRUB',
    (_, given, more, resumes) => {
      const { steps } = planReset(facts(given), { ...wish, ...more }, { resumes });
      const naming = steps.flatMap((step, index) =>
        (step.kind === 'exchange' && step.a === '/s/cOS/transition') ||
        (step.kind === 'rename' && step.from === '/s/cOS/transition')
          ? [{ before: steps[index - 1], after: steps[index + 1] }]
          : [],
      );
      const checkpoint = { kind: 'checkpoint', mountPoint: '/s' };
      for (const { before, after } of naming) expect([before, after]).toMatchObject([checkpoint, checkpoint]);
      const copies = steps.filter(({ kind }) => kind === 'copy-image').length;
      expect(naming.length).toBeGreaterThanOrEqual(copies);
    },
  );
});

describe('no room for a third slot', () => {
  const state = (free: number) => ({ ...facts().state, free });
  const drop = (name: string) => [`${name}->discard-${name}`, `-discard-${name}`];
  const moves = (given: Partial<ResetFacts>) =>
    short(planReset(facts(given), wish, { resumes: false }).steps).filter((step) => /copy|->|^-/.test(step));

  test.each<[string, Partial<ResetFacts>, string[]]>([
    [
      'the fallback goes, the active system stays',
      { state: state(10 * MiB) },
      [...drop('passive'), 'copy', ...active, 'copy', 'transition->passive', '-transition'],
    ],
    [
      'what cannot be started goes, the fallback stays',
      { state: state(10 * MiB), active: slotNow('v3', 'gone') },
      [...drop('active'), 'copy', 'transition->active', '-transition', ...drop('passive')].concat([
        ...['copy', 'transition->passive', '-transition'],
      ]),
    ],
  ])('%s', (_, given, expected) => {
    expect(moves(given)).toEqual(expected);
  });

  test('what was copied gives way to the journal', () => {
    const given = {
      state: state(0),
      active: slotNow('v1'),
      transition: { there: true, size: slotSize(sevenFiles), present: ['root.img'], partial: {} },
    };
    const steps = short(planReset(facts(given), wish, { resumes: false }).steps);
    expect(steps.slice(2, 6)).toEqual([
      ...['-transition', 'journal running', 'kairos_reset=3', 'kairos_reset_chosen='],
    ]);
  });
});

test('the stage in the new system comes with its partitions, before the one beside it', () => {
  const given = facts({ active: slotNow('v1'), passive: slotNow('v1') });
  const { steps } = planReset(given, wish, { resumes: false, chrootStage: true });
  const at = steps.findIndex(({ kind }) => kind === 'chroot-stage');
  expect(steps[at]).toEqual({
    ...{ kind: 'chroot-stage', phase: 'after-reset', stage: 'after-reset-chroot', slot: '/s/cOS/active' },
    binds: [
      { from: '/oem', to: '/oem' },
      { from: '/run/cos/persistent', to: '/usr/local' },
    ],
  });
  expect([steps[at - 1]?.kind, short(steps.slice(at + 1))[0]]).toEqual(['mount', 'after-reset']);
});

test('what was fetched is copied from the active slot', () => {
  const { steps } = planReset(
    facts({
      image: { ...facts().image, isLocal: false },
      transition: { there: true, size: 5, present: [], partial: { 'root.img': 5 } },
    }),
    wish,
    { resumes: false },
  );
  const [first, second] = steps.flatMap((step) => (step.kind === 'copy-image' ? [step] : []));
  expect([first?.partial, first?.local]).toEqual([{ 'root.img': 5 }, {}]);
  expect(second).toMatchObject({ partial: {}, local: { 'root.img': '/s/cOS/active/root.img' } });
});

describe('refused', () => {
  const code = (given: Partial<ResetFacts>) => {
    try {
      planReset(facts(given), wish, { resumes: false });
    } catch (error) {
      return (error as { code: string }).code;
    }
    return undefined;
  };
  test.each<[string, Partial<ResetFacts>]>([
    ['RESET_NOT_IN_RECOVERY', { bootState: 'active' }],
    ['RESET_NOT_IN_RECOVERY', { bootState: 'livecd' }],
    ['WRONG_ARCHITECTURE', { architecture: 'arm64' }],
    ['SLOT_INCOMPLETE', { image: { ...facts().image, files: new Map([['root.img', 1]]) } }],
    ['NO_SPACE', { state: { ...facts().state, free: 10 * MiB }, passive: nothing }],
    ['SLOT_FILE_NAME', { image: { ...facts().image, files: new Map([...sevenFiles, ['../x', 1]]) } }],
  ])('%s', (expected, given) => {
    expect(code(given)).toBe(expected);
  });
});
