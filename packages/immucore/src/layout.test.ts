import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import {
  byDepth,
  dashed,
  defaultEphemeralPaths,
  defaultPersistentPaths,
  fallbackEphemeralPaths,
  isWithin,
  type LayoutFiles,
  mergedLayoutFile,
  resolveLayout,
} from './layout.ts';

const active = { state: 'active', overlay: undefined, mounts: [] } as const;
const recovery = { ...active, state: 'recovery' } as const;
const none: LayoutFiles = { layout: undefined, extra: undefined, custom: undefined };
const sorted = (paths: readonly string[]) => [...paths].sort(byDepth);

describe('an active boot', () => {
  test('without a layout has the default one and says so', () => {
    const { layout, problems } = resolveLayout(none, active);
    expect(layout).toEqual({
      overlay: 'tmpfs:25%',
      volumes: [{ source: 'LABEL=COS_PERSISTENT', target: '/usr/local', writable: true }],
      ephemeral: sorted(defaultEphemeralPaths),
      persistent: sorted(defaultPersistentPaths),
      stateTarget: '/usr/local/.state',
    });
    expect(problems).toEqual(['no stage wrote /run/cos/cos-layout.env; using the default layout']);
  });

  test('takes every variable', () => {
    const layout = [
      'VOLUMES="LABEL=COS_PERSISTENT:/usr/local UUID=1-2:/data PARTUUID=3:/more /dev/vdb1:/raw"',
      'OVERLAY=tmpfs:512m',
      "RW_PATHS='/var /etc'",
      'PERSISTENT_STATE_PATHS="/home /var/log"',
      'CUSTOM_BIND_MOUNTS=/bind',
      'CUSTOM_EPHEMERAL_MOUNTS=/scratch',
      'PERSISTENT_STATE_TARGET=/usr/local/kept/',
      'PERSISTENT_STATE_BIND=true',
      'MERGE=false',
    ].join('\n');
    expect(resolveLayout({ ...none, layout }, active)).toEqual({
      layout: {
        overlay: 'tmpfs:512m',
        volumes: [
          { source: 'UUID=1-2', target: '/data', writable: false },
          { source: 'PARTUUID=3', target: '/more', writable: false },
          { source: '/dev/vdb1', target: '/raw', writable: false },
          { source: 'LABEL=COS_PERSISTENT', target: '/usr/local', writable: true },
        ],
        ephemeral: ['/etc', '/scratch', '/var'],
        persistent: ['/bind', '/home', '/var/log'],
        stateTarget: '/usr/local/kept',
      },
      problems: [],
    });
  });

  test('joins the paths of the distribution and of the user', () => {
    const { layout, problems } = resolveLayout(
      {
        layout: 'RW_PATHS=/etc\nPERSISTENT_STATE_PATHS=/home\n',
        extra: 'PERSISTENT_STATE_PATHS=/snap\nRW_PATHS=/ignored\n',
        custom: 'CUSTOM_BIND_MOUNTS="/var/lib/mine /home"\nCUSTOM_EPHEMERAL_MOUNTS=/tmp2\n',
      },
      active,
    );
    expect(layout.persistent).toEqual(['/home', '/snap', '/var/lib/mine']);
    expect(layout.ephemeral).toEqual(['/etc', '/tmp2']);
    expect(problems).toEqual([]);
  });

  test('without RW_PATHS falls back to overlays over all that may be written', () => {
    const { layout } = resolveLayout({ ...none, layout: 'PERSISTENT_STATE_PATHS=/home\n' }, active);
    expect(layout.ephemeral).toEqual(sorted(fallbackEphemeralPaths));
    expect(layout.volumes).toEqual([]);
  });

  test('the volume that holds the state is writable whatever it is called', () => {
    const { layout } = resolveLayout(
      { ...none, layout: 'VOLUMES="LABEL=MINE:/usr/local LABEL=DATA:/usr/local/data"' },
      active,
    );
    expect(layout.volumes.map(({ target, writable }) => [target, writable])).toEqual([
      ['/usr/local', true],
      ['/usr/local/data', false],
    ]);
  });

  test('cmdline mounts win over volumes on the same path', () => {
    const { layout } = resolveLayout(
      { ...none, layout: 'VOLUMES=LABEL=A:/data' },
      { ...active, mounts: ['LABEL=B:/data', 'LABEL=COS_OEM:/oem2', 'nonsense'] },
    );
    expect(layout.volumes).toEqual([
      { source: 'LABEL=B', target: '/data', writable: false },
      { source: 'LABEL=COS_OEM', target: '/oem2', writable: true },
    ]);
  });
});

describe('recovery', () => {
  test('has overlays only, whatever the distribution and the user want kept', () => {
    const { layout, problems } = resolveLayout(
      {
        layout: 'OVERLAY="tmpfs:25%"\n',
        extra: 'PERSISTENT_STATE_PATHS=/snap\n',
        custom: 'CUSTOM_BIND_MOUNTS=/a\nCUSTOM_EPHEMERAL_MOUNTS=/b\n',
      },
      recovery,
    );
    expect(layout).toEqual({
      overlay: 'tmpfs:25%',
      volumes: [],
      ephemeral: sorted(fallbackEphemeralPaths),
      persistent: [],
      stateTarget: '/usr/local/.state',
    });
    expect(problems).toEqual([]);
  });

  test('without a layout does not fall back to the persistent one', () => {
    const { layout, problems } = resolveLayout(none, recovery);
    expect([layout.volumes, layout.persistent]).toEqual([[], []]);
    expect(problems).toEqual(['no stage wrote /run/cos/cos-layout.env; using the ephemeral layout']);
  });
});

test.each([
  ['', undefined, 'tmpfs:20%'],
  ['', 'tmpfs:10%', 'tmpfs:10%'],
  ['OVERLAY=tmpfs:1G', 'tmpfs:10%', 'tmpfs:1G'],
  ['OVERLAY=LABEL=SCRATCH', undefined, 'LABEL=SCRATCH'],
] as const)('backing of %j with cmdline %j is %s', (text, overlay, backing) => {
  expect(resolveLayout({ ...none, layout: text }, { ...active, overlay }).layout.overlay).toBe(backing);
});

test.each([
  ['RW_PATHS="/etc etc"', 'RW_PATHS: cannot use etc: it is not absolute'],
  ['RW_PATHS="/etc /a/../b"', 'RW_PATHS: cannot use /a/../b: it contains ..'],
  ['RW_PATHS="/etc //"', 'RW_PATHS: cannot use //: it is the root itself'],
  ['RW_PATHS="/etc /proc/x"', 'RW_PATHS: cannot use /proc/x: /proc belongs to the kernel and the boot'],
  ['RW_PATHS="/etc /a:b"', 'RW_PATHS: cannot use /a:b: it holds a colon, comma, quote or backslash'],
  [
    'RW_PATHS=/etc\nPERSISTENT_STATE_PATHS="/a/b-c /a-b/c"',
    'PERSISTENT_STATE_PATHS: cannot use /a-b/c: /a/b-c has the same name, a-b-c, in storage',
  ],
  [
    'RW_PATHS=/etc\nPERSISTENT_STATE_PATHS=/usr/local',
    'PERSISTENT_STATE_PATHS: cannot use /usr/local: it holds the state itself, /usr/local/.state',
  ],
  ['RW_PATHS=/etc\nVOLUMES=LABEL:x:/y', 'VOLUMES: cannot use LABEL:x:/y: expected LABEL=name:/path'],
  ['RW_PATHS=/etc\nVOLUMES=LABEL=x:y', 'VOLUMES: cannot use LABEL=x:y: it is not absolute'],
  [
    'RW_PATHS=/etc\nPERSISTENT_STATE_TARGET=state',
    'PERSISTENT_STATE_TARGET: it is not absolute; using /usr/local/.state',
  ],
  ['RW_PATHS=/etc\nOVERLAY=disk', 'OVERLAY: expected tmpfs:<size> or a device, found disk; using tmpfs:25%'],
  ['RW_PATHS="/etc', '/run/cos/cos-layout.env:1: the quote of RW_PATHS is never closed'],
] as const)('%j is told and left out', (text, problem) => {
  const { layout, problems } = resolveLayout({ ...none, layout: text }, active);
  expect(problems).toEqual([problem]);
  expect(layout.ephemeral).toEqual(['/etc']);
});

test('a hostile layout never throws and never mounts over the kernel', () => {
  const word = fc.constantFrom(
    '/',
    '/proc',
    '/a',
    '/a/b',
    '..',
    'RW_PATHS=',
    'VOLUMES=',
    '"',
    "'",
    '\n',
    '=',
    ':',
    ' ',
  );
  fc.assert(
    fc.property(fc.array(word, { maxLength: 30 }), (words) => {
      const text = words.join('');
      const { layout } = resolveLayout({ layout: text, extra: text, custom: text }, active);
      for (const path of [
        ...layout.ephemeral,
        ...layout.persistent,
        ...layout.volumes.map((v) => v.target),
      ]) {
        expect(path).toMatch(/^(\/[^/]+)+$/);
        expect(['/proc', '/sys', '/dev', '/run'].some((tree) => isWithin(path, tree))).toBe(false);
      }
    }),
  );
});

describe('order', () => {
  test('fewest components first, then the last component', () => {
    expect(sorted(['/var/log', '/a/b/c', '/root', '/etc/ssh', '/home', '/usr/libexec', '/b/a/c'])).toEqual([
      '/home',
      '/root',
      '/usr/libexec',
      '/var/log',
      '/etc/ssh',
      '/a/b/c',
      '/b/a/c',
    ]);
  });

  test('no path comes before one that holds it', () => {
    const name = fc.constantFrom('a', 'b', 'etc', 'var');
    const path = fc.array(name, { minLength: 1, maxLength: 5 }).map((names) => `/${names.join('/')}`);
    fc.assert(
      fc.property(fc.uniqueArray(path), (paths) => {
        const order = sorted(paths);
        order.forEach((later, index) => {
          for (const earlier of order.slice(0, index)) expect(isWithin(earlier, later)).toBe(false);
        });
        expect(sorted([...paths].reverse())).toEqual(order);
      }),
    );
  });
});

test('names in storage', () => {
  expect([dashed('/etc'), dashed('/etc/ssl/certs')]).toEqual(['etc', 'etc-ssl-certs']);
});

test('the layout file shows what the user added', () => {
  const files = {
    layout: 'VOLUMES="LABEL=COS_PERSISTENT:/usr/local"\nRW_PATHS=/etc\nPERSISTENT_STATE_PATHS=/home\n',
    extra: undefined,
    custom: 'CUSTOM_BIND_MOUNTS=/data\nCUSTOM_EPHEMERAL_MOUNTS=/scratch\n',
  };
  const { layout } = resolveLayout(files, active);
  expect(mergedLayoutFile(files, layout)).toBe(
    'VOLUMES="LABEL=COS_PERSISTENT:/usr/local"\nRW_PATHS="/etc /scratch"\nPERSISTENT_STATE_PATHS="/data /home"\n',
  );
  expect(mergedLayoutFile({ ...files, custom: 'CUSTOM_BIND_MOUNTS=\n' }, layout)).toBeUndefined();
});
