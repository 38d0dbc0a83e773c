import { describe, expect, test } from 'bun:test';
import { persistentDirectory } from '@kairos/facts/persistent-state';
import { bootFactsOf } from './boot-facts.ts';
import { assemblyOf, planBoot } from './boot-plan.ts';
import { type Layout, resolveLayout } from './layout.ts';

const readOnly = [{ source: 'x', target: '/', type: 'erofs', options: ['ro'] }];
const writable = [{ source: 'x', target: '/', type: 'overlay', options: ['rw'] }];
const cmdlines = {
  active: 'root=LABEL=COS_ACTIVE rd.cos.oemlabel=COS_OEM',
  passive: 'root=LABEL=COS_PASSIVE rd.cos.oemlabel=COS_OEM',
  recovery: 'root=LABEL=COS_SYSTEM',
  autoreset: 'root=LABEL=COS_SYSTEM kairos.reset',
  livecd: 'root=live:CDLABEL=COS_LIVE',
  unknown: 'quiet',
} as const;

const text =
  'VOLUMES=LABEL=COS_PERSISTENT:/usr/local\nRW_PATHS="/etc /var /srv"\nPERSISTENT_STATE_PATHS="/home /etc/ssh"\n';

function plan(state: keyof typeof cmdlines, layoutText = text, mounts = readOnly) {
  const facts = bootFactsOf(cmdlines[state], mounts);
  const layoutOfState = state === 'active' || state === 'passive' ? layoutText : 'OVERLAY=tmpfs:25%';
  const { layout } = resolveLayout({ layout: layoutOfState, extra: undefined, custom: undefined }, facts);
  return planBoot(facts, layout);
}
const lines = (steps: ReturnType<typeof planBoot>) =>
  steps.map(({ name, criticality, needs }) => `${name} ${criticality}${needs.length ? ` < ${needs}` : ''}`);

const installed = [
  'tmp degrade',
  'oem degrade',
  'stage rootfs degrade',
  'layout degrade',
  'overlay base must',
  'overlay /etc must < overlay base',
  'overlay /srv degrade < overlay base',
  'overlay /var must < overlay base',
  'volume /usr/local degrade',
  'grow /usr/local degrade < volume /usr/local',
  'seed degrade < volume /usr/local',
  'bind /home degrade < seed',
  'bind /etc/ssh degrade < seed',
  'machine-id degrade < overlay /etc',
  'hostname degrade < overlay /etc',
  'share root ignore',
  'extensions degrade',
  'fstab degrade < overlay /etc',
  'stage initramfs degrade',
];

test.each(['active', 'passive'] as const)('%s: overlays, state and identity', (state) => {
  expect(lines(plan(state))).toEqual(['sentinel must', ...installed]);
  expect(plan(state)[0]?.action).toEqual({ kind: 'sentinel', name: `${state}_mode` });
});

test.each(['recovery', 'autoreset', 'unknown'] as const)('%s: overlays only', (state) => {
  expect(lines(plan(state))).toEqual([
    'sentinel must',
    'tmp degrade',
    'oem degrade',
    'stage rootfs degrade',
    'layout degrade',
    'overlay base must',
    'overlay /etc must < overlay base',
    'overlay /home degrade < overlay base',
    'overlay /opt degrade < overlay base',
    'overlay /root degrade < overlay base',
    'overlay /srv degrade < overlay base',
    'overlay /var must < overlay base',
    'overlay /usr/local degrade < overlay base',
    'machine-id degrade < overlay /etc',
    'hostname degrade < overlay /etc',
    'share root ignore',
    // A boot of which nothing is known takes nothing along.
    ...(state === 'unknown' ? [] : ['extensions degrade']),
    'fstab degrade < overlay /etc',
    'stage initramfs degrade',
  ]);
  expect(plan(state).find(({ name }) => name === 'machine-id')?.action).toEqual({
    kind: 'machine-id',
    persistent: false,
  });
});

test('extensions wait for the directory that holds them, and a reset takes those of recovery', () => {
  const find = (...given: Parameters<typeof plan>) =>
    plan(...given).find(({ name }) => name === 'extensions');
  const withStore = text.replace(/PERSISTENT_STATE_PATHS="?/, (found) => `${found}/var/lib/kairos `);
  expect(withStore).not.toBe(text);
  expect(find('passive', withStore)).toMatchObject({
    needs: ['bind /var/lib/kairos'],
    action: { kind: 'extensions', profile: 'passive' },
  });
  expect(find('autoreset')?.action).toEqual({ kind: 'extensions', profile: 'recovery' });
});

test('live: the root is an overlay already, and the disk is left alone', () => {
  expect(lines(plan('livecd', text, writable))).toEqual([
    'sentinel must',
    'stage rootfs degrade',
    'machine-id degrade',
    'hostname degrade',
    'share root ignore',
    'stage initramfs degrade',
  ]);
});

test('rd.cos.disable runs the stages and mounts nothing of ours but OEM', () => {
  const facts = bootFactsOf('root=LABEL=COS_ACTIVE rd.cos.disable', readOnly);
  const { layout } = resolveLayout({ layout: text, extra: undefined, custom: undefined }, facts);
  expect(planBoot(facts, layout).map(({ name }) => name)).toEqual([
    'sentinel',
    'oem',
    'stage rootfs',
    'machine-id',
    'hostname',
    'share root',
    'stage initramfs',
  ]);
});

test.each([
  ['active', false, 'persistent'],
  ['active', true, 'persistent'],
  ['livecd', true, 'none'],
  ['livecd', false, 'ephemeral'],
  ['recovery', true, 'none'],
  ['unknown', false, 'ephemeral'],
] as const)('%s with a writable root %p is assembled %s', (state, rootWritable, assembly) => {
  expect(assemblyOf({ state, rootWritable, disabled: false })).toBe(assembly);
});

describe('volumes', () => {
  const actions = (layoutText: string) =>
    plan('active', layoutText).flatMap(({ action }) => (action.kind === 'volume' ? [action] : []));

  test('only the one that holds the state gets a stand-in', () => {
    expect(actions(`${text}VOLUMES="LABEL=DATA:/data LABEL=COS_PERSISTENT:/usr/local"\n`)).toEqual([
      { kind: 'volume', source: 'LABEL=DATA', target: '/data', writable: false, standIn: false },
      { kind: 'volume', source: 'LABEL=COS_PERSISTENT', target: '/usr/local', writable: true, standIn: true },
    ]);
  });

  test('a layout with state and no volume for it gets one in memory', () => {
    expect(actions('RW_PATHS=/etc\nPERSISTENT_STATE_PATHS=/home\n')).toEqual([
      { kind: 'volume', source: undefined, target: '/usr/local', writable: true, standIn: true },
    ]);
  });

  test('a layout without state needs no stand-in', () => {
    expect(actions('RW_PATHS=/etc\nVOLUMES=LABEL=COS_PERSISTENT:/usr/local\n')).toEqual([
      {
        kind: 'volume',
        source: 'LABEL=COS_PERSISTENT',
        target: '/usr/local',
        writable: true,
        standIn: false,
      },
    ]);
  });
});

test('every need is an earlier step, and no name is there twice', () => {
  for (const state of Object.keys(cmdlines) as (keyof typeof cmdlines)[]) {
    const seen = new Set<string>();
    for (const { name, needs } of plan(state)) {
      for (const need of needs) expect(seen.has(need)).toBe(true);
      expect(seen.has(name)).toBe(false);
      seen.add(name);
    }
  }
});

test('a layout that mounts nothing on /etc makes nothing depend on it', () => {
  const layout: Layout = {
    overlay: 'tmpfs:20%',
    volumes: [],
    ephemeral: ['/srv'],
    persistent: [],
    stateTarget: '/usr/local/.state',
  };
  const steps = planBoot(bootFactsOf(cmdlines.active, readOnly), layout);
  expect(steps.find(({ name }) => name === 'fstab')?.needs).toEqual([]);
});

test('persistent directories have the names that tools of the field look for', () => {
  expect(persistentDirectory('/usr/local/.state', '/var/lib/rancher')).toBe(
    '/usr/local/.state/var-lib-rancher.bind',
  );
});
