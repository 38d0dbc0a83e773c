import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { rmSync } from 'node:fs';
import { KairosError } from '@kairos/facts/errors';
import { type DirectoryHost, directoryHost } from '@kairos/host/directory';
import type { MountRequest, RunOptions } from '@kairos/host/host';
import type { Mount } from '@kairos/host/mount-table';
import { runProgram } from '@kairos/host/run';
import { boot } from './boot.ts';
import type { StageTrouble } from './boot-context.ts';
import { bootFactsOf } from './boot-facts.ts';
import type { BootReport } from './boot-report.ts';
import type { Clock } from './execute-plan.ts';
import { testFolder } from './test-folder.ts';

let folder: string;
beforeEach(() => {
  folder = testFolder('boot');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const layout =
  'VOLUMES="LABEL=COS_PERSISTENT:/usr/local"\nOVERLAY=tmpfs:25%\nRW_PATHS="/var /etc /srv"\n' +
  'PERSISTENT_STATE_PATHS="/home /etc/ssh /var/lib/k0s"\n';
const blkid =
  '/dev/vda3: LABEL="COS_OEM" TYPE="ext4"\n/dev/vda5: LABEL="COS_STATE" TYPE="ext4"\n' +
  '/dev/vda6: LABEL="COS_PERSISTENT" TYPE="ext4"\n';
const slot: Mount = {
  source: '/dev/vda5',
  target: '/run/initramfs/cos-state',
  type: 'ext4',
  options: ['ro'],
};
const active = 'root=LABEL=COS_ACTIVE kairos.slot=LABEL=COS_STATE:/cOS/active rd.cos.oemlabel=COS_OEM';

interface Machine {
  readonly cmdline?: string;
  readonly rootOptions?: readonly string[];
  readonly blkid?: string;
  readonly layout?: string | undefined;
  /** Throws where a mount is to fail. */
  readonly onMount?: (request: MountRequest) => void;
  /** Exit codes of programs, instead of success. */
  readonly codes?: Readonly<Record<string, number>>;
  readonly missing?: readonly string[];
  readonly troubles?: readonly StageTrouble[];
  readonly prepare?: (host: DirectoryHost) => void;
}

/** Boots a machine in a folder. */
async function bootMachine(machine: Machine = {}) {
  const host = directoryHost(folder, {
    uid: process.getuid?.() ?? 0,
    mounts: [
      {
        source: '/dev/mapper/kairos-root',
        target: '/',
        type: 'erofs',
        options: machine.rootOptions ?? ['ro'],
      },
      slot,
    ],
    ...(machine.onMount === undefined ? {} : { onMount: machine.onMount }),
    async run(argv, options: RunOptions) {
      const [program = '', ...rest] = argv;
      if (machine.missing?.includes(program)) return undefined;
      if (machine.codes?.[program] !== undefined)
        return { code: machine.codes[program], stderr: `${program} says no` };
      if (program === 'blkid') return { stdout: machine.blkid ?? blkid };
      if (program === 'cp') return await runProgram([program, ...rest], options);
      return {};
    },
  });
  for (const path of [
    '/etc',
    '/var',
    '/srv',
    '/home',
    '/opt',
    '/root',
    '/usr/local',
    '/oem',
    '/tmp',
    '/dev',
  ]) {
    host.files.makeDirectory(path);
  }
  host.files.write('/etc/ssh/sshd_config', 'Port 22\n');
  host.files.write('/etc/machine-id', '');
  host.files.write('/proc/sys/kernel/hostname', '');
  host.files.write('/proc/uptime', '4.25 3.10\n');
  host.files.write('/dev/kmsg', '#'.repeat(100_000));
  machine.prepare?.(host);
  let time = 0;
  const clock: Clock = {
    now: () => time,
    async sleep(milliseconds) {
      time += milliseconds;
    },
  };
  const stages: string[] = [];
  const report = await boot(host, bootFactsOf(machine.cmdline ?? active, host.mounts()), {
    clock,
    async runStage(stageHost, stage) {
      stages.push(stage);
      const text = 'layout' in machine ? machine.layout : layout;
      if (stage === 'rootfs' && text !== undefined) stageHost.files.write('/run/cos/cos-layout.env', text);
      return (machine.troubles ?? []).filter((trouble) => trouble.stage === stage);
    },
  });
  return { host, report, stages, time: () => time };
}

const stepOf = (report: BootReport, name: string) => report.steps.find((step) => step.name === name);
/** Everything that is not as planned: `name: status`. */
const oddities = (report: BootReport) =>
  report.steps.filter(({ status }) => status !== 'ok').map(({ name, status }) => `${name}: ${status}`);

describe('active', () => {
  test('mounts in order, all through mount(2)', async () => {
    const { host, report, stages } = await bootMachine();
    expect([report.outcome, oddities(report)]).toEqual(['ok', []]);
    expect(stages).toEqual(['rootfs', 'initramfs']);
    const overlay = (name: string) =>
      `mount overlay overlay /${name} lowerdir=/${name},upperdir=/run/overlay/${name}/.overlay/upper,workdir=/run/overlay/${name}/.overlay/work`;
    expect(host.mountLog).toEqual([
      'mount tmpfs tmpfs /tmp nosuid,nodev,mode=1777,size=50%',
      'mount ext4 /dev/vda3 /oem rw',
      'mount tmpfs tmpfs /run/overlay mode=0700,size=25%',
      overlay('etc'),
      overlay('srv'),
      overlay('var'),
      'mount ext4 /dev/vda6 /usr/local rw',
      'mount none /usr/local/.state/home.bind /home bind',
      'mount none /usr/local/.state/etc-ssh.bind /etc/ssh bind',
      'mount none /usr/local/.state/var-lib-k0s.bind /var/lib/k0s bind',
      'mount none none / rshared',
    ]);
    expect(host.commands.map(([name]) => name)).toEqual(['blkid', 'e2fsck', 'e2fsck', 'cp', 'cp', 'sync']);
  });

  test('leaves sentinel, identity, fstab and report', async () => {
    const { host, report } = await bootMachine();
    expect(host.files.list('/run/cos')).toEqual(['active_mode', 'cos-layout.env']);
    expect(host.files.readText('/run/cos/active_mode')).toBe('1');
    const id = host.files.readText('/etc/machine-id').trim();
    expect(host.files.readText('/usr/local/etc/machine-id').trim()).toBe(id);
    expect(host.files.readText('/etc/fstab').split('\n').slice(1, 5)).toEqual([
      '/dev/mapper/kairos-root / erofs ro 0 0',
      '/dev/vda5 /run/initramfs/cos-state ext4 ro 0 0',
      'tmpfs /tmp tmpfs nosuid,nodev,mode=1777,size=50% 0 0',
      'LABEL=COS_OEM /oem ext4 rw 0 0',
    ]);
    expect(host.files.readText('/etc/fstab')).toContain(
      'LABEL=COS_PERSISTENT /usr/local ext4 rw 0 0\n/usr/local/.state/home.bind /home none bind 0 0\n',
    );
    expect(host.files.readText('/etc/fstab')).not.toContain('sysroot');
    expect(JSON.parse(host.files.readText('/run/immucore/boot-report.json'))).toEqual(
      JSON.parse(JSON.stringify(report)),
    );
    expect(report).toMatchObject({
      schemaVersion: 1,
      bootState: 'active_boot',
      slot: 'LABEL=COS_STATE:/cOS/active',
      assembly: 'persistent',
      machineId: id,
      hostname: `kairos-${id.slice(0, 4)}`,
      uptime: 4.25,
      stages: [],
    });
    const timeline = JSON.parse(host.files.readText('/run/immucore/boot-timeline.json'));
    expect(timeline).toHaveLength(report.steps.length);
    expect(Object.keys(timeline[0])).toEqual(['name', 'duration_ms', 'error']);
  });

  test('a second boot keeps what persists and seeds nothing again', async () => {
    const first = await bootMachine();
    first.host.files.write('/usr/local/.state/etc-ssh.bind/ssh_host_key', 'secret');
    const second = await bootMachine();
    expect(second.report.machineId).toBe(first.report.machineId as string);
    expect(second.host.files.readText('/usr/local/.state/etc-ssh.bind/ssh_host_key')).toBe('secret');
    expect(second.host.commands.map(([name]) => name)).toEqual(['blkid', 'e2fsck', 'e2fsck']);
  });

  test('run twice mounts once', async () => {
    const mounts: Mount[] = [];
    await bootMachine({ onMount: (request) => void mounts.push(request) });
    const again: string[] = [];
    await bootMachine({
      prepare: (host) => {
        for (const mount of mounts) host.mount(mount);
        again.length = 0;
      },
      onMount: ({ target }) => void again.push(target),
    });
    expect(again).toEqual(['/']);
  });
});

test('passive is as active', async () => {
  const { host, report } = await bootMachine({ cmdline: 'root=LABEL=COS_PASSIVE rd.cos.oemlabel=COS_OEM' });
  expect([report.outcome, report.bootState, report.assembly]).toEqual(['ok', 'passive_boot', 'persistent']);
  expect(host.files.exists('/run/cos/passive_mode')).toBe(true);
  expect(host.mounts().some(({ target }) => target === '/home')).toBe(true);
});

test.each([
  ['root=LABEL=COS_SYSTEM', 'recovery_boot', 'recovery_mode'],
  ['root=LABEL=COS_SYSTEM kairos.reset', 'autoreset_boot', 'autoreset_mode'],
  ['quiet', 'unknown', 'unknown'],
] as const)('%s never touches the persistent partition', async (cmdline, state, sentinel) => {
  const { host, report } = await bootMachine({ cmdline, layout: 'OVERLAY=tmpfs:25%\n' });
  expect([report.outcome, report.bootState, report.assembly]).toEqual(['ok', state, 'ephemeral']);
  expect(host.files.list('/run/cos')).toEqual(['cos-layout.env', sentinel].sort());
  expect(host.mounts().some(({ source }) => source === '/dev/vda6')).toBe(false);
  expect(host.mounts().map(({ target }) => target)).toEqual([
    '/',
    '/run/initramfs/cos-state',
    '/tmp',
    '/oem',
    '/run/overlay',
    '/etc',
    '/home',
    '/opt',
    '/root',
    '/srv',
    '/var',
    '/usr/local',
  ]);
  expect(host.files.status('/etc/hostname')?.kind).toBe('file');
});

test('live: no disk is looked at, the image keeps its fstab', async () => {
  const { host, report, stages } = await bootMachine({
    cmdline: 'root=live:CDLABEL=COS_LIVE install-mode',
    rootOptions: ['rw'],
    layout: undefined,
  });
  expect([report.outcome, report.bootState, report.assembly]).toEqual(['ok', 'livecd_boot', 'none']);
  expect([host.commands, host.mountLog]).toEqual([[], ['mount none none / rshared']]);
  expect(stages).toEqual(['rootfs', 'initramfs']);
  expect(host.files.exists('/run/cos/live_mode')).toBe(true);
  expect(host.files.exists('/etc/fstab')).toBe(false);
  expect(host.files.readText('/etc/machine-id')).toMatch(/^[0-9a-f]{32}\n$/);
});

/** A mount on this path fails. */
const refuse = (path: string) => (request: MountRequest) => {
  if (request.target === path) throw new KairosError('SYSTEM_CALL_FAILED', `Cannot mount ${path}: broken`);
};

describe('what must work', () => {
  test.each(['/run/overlay', '/etc', '/var'])('%s', async (path) => {
    const { host, report, stages } = await bootMachine({ onMount: refuse(path) });
    expect(report.outcome).toBe('failed');
    const name = path === '/run/overlay' ? 'overlay base' : `overlay ${path}`;
    expect(stepOf(report, name)).toMatchObject({ status: 'failed', criticality: 'must' });
    // The persistent partition is not touched by a boot that is given up.
    expect(host.mounts().some(({ target }) => target === '/usr/local')).toBe(false);
    expect(stages).toEqual(['rootfs']);
    expect(stepOf(report, 'stage initramfs')).toMatchObject({
      status: 'skipped',
      error: { message: `not tried after "${name}" failed` },
    });
  });

  test('the sentinel: no script knows the boot state without', async () => {
    const { report, stages } = await bootMachine({ prepare: ({ files }) => files.write('/run/cos', '') });
    expect([report.outcome, stages]).toEqual(['failed', []]);
  });

  test('a missing overlay module is fetched once, and named when there is none', async () => {
    let refused = 0;
    const nodev = ({ type }: MountRequest) => {
      if (type === 'overlay' && refused++ === 0)
        throw Object.assign(new Error('No such device'), { errno: 19 });
    };
    const good = await bootMachine({ onMount: nodev });
    expect(good.report.outcome).toBe('ok');
    expect(good.host.commands).toContainEqual(['modprobe', 'overlay']);
    refused = 0;
    const bad = await bootMachine({ onMount: nodev, codes: { modprobe: 1 } });
    expect(bad.report.outcome).toBe('failed');
    expect(stepOf(bad.report, 'overlay /etc')?.error).toEqual({
      code: 'NO_FILESYSTEM_MODULE',
      message:
        'Cannot mount /etc: the kernel has no overlay (modprobe overlay exited with 1: modprobe says no)',
      hint: "The image's kernel needs the module overlay",
    });
  });
});

describe('what degrades', () => {
  test('OEM that is expected and missing is waited for, then told', async () => {
    const { report, time } = await bootMachine({
      cmdline: `${active} rd.cos.oemtimeout=3`,
      blkid: blkid.replace('COS_OEM', 'OTHER'),
    });
    expect([report.outcome, oddities(report), time()]).toEqual(['degraded', ['oem: failed'], 3000]);
    expect(stepOf(report, 'oem')?.error?.message).toBe(
      'No device is LABEL=COS_OEM after 3 s; block devices seen: /dev/vda3 (OTHER), /dev/vda5 (COS_STATE), /dev/vda6 (COS_PERSISTENT)',
    );
  });

  test('OEM that nobody asked for may be missing', async () => {
    const { report, time } = await bootMachine({
      cmdline: 'root=LABEL=COS_ACTIVE',
      blkid: blkid.replace('COS_OEM', 'OTHER'),
    });
    expect([report.outcome, time(), stepOf(report, 'oem')?.note]).toEqual(['ok', 0, 'no LABEL=COS_OEM']);
  });

  test.each([
    ['cannot be mounted', { onMount: refuse('/oem') }, 'oem: failed'],
    [
      'has no file system',
      { blkid: blkid.replace('LABEL="COS_OEM" TYPE="ext4"', 'LABEL="COS_OEM"') },
      'oem: failed',
    ],
    ['cannot be checked', { missing: ['e2fsck'] }, 'oem: degraded'],
    ['has errors', { codes: { e2fsck: 4 } }, 'oem: degraded'],
  ] as const)('OEM that %s', async (_, machine, oddity) => {
    const { report } = await bootMachine(machine);
    expect(report.outcome).toBe('degraded');
    expect(oddities(report)[0]).toBe(oddity);
    expect(stepOf(report, 'stage initramfs')?.status).toBe('ok');
  });

  test('without block devices the node still comes up, in memory', async () => {
    const { host, report } = await bootMachine({ missing: ['blkid'] });
    expect([report.outcome, oddities(report)]).toEqual([
      'degraded',
      ['oem: failed', 'volume /usr/local: degraded'],
    ]);
    expect(host.mountLog).toContain('mount tmpfs tmpfs /usr/local mode=0755,size=25%');
  });

  test.each([
    [
      'is missing',
      { blkid: blkid.replace('COS_PERSISTENT', 'OTHER') },
      'No device is LABEL=COS_PERSISTENT after 10 s',
    ],
    [
      'cannot be mounted',
      {
        onMount: ({ source }: MountRequest) => {
          if (source === '/dev/vda6')
            throw new KairosError('SYSTEM_CALL_FAILED', 'Cannot mount /dev/vda6: broken');
        },
      },
      'Cannot mount /dev/vda6: broken',
    ],
  ] as const)(
    'a persistent partition that %s is replaced by memory for this boot',
    async (_, machine, reason) => {
      const { host, report } = await bootMachine(machine);
      expect([report.outcome, oddities(report)]).toEqual(['degraded', ['volume /usr/local: degraded']]);
      const [problem = ''] = stepOf(report, 'volume /usr/local')?.problems ?? [];
      expect(problem).toStartWith(reason);
      expect(problem).toEndWith(
        '; /usr/local is in memory and what is written there is lost at the next boot',
      );
      expect(host.mountLog).toContain('mount tmpfs tmpfs /usr/local mode=0755,size=25%');
      expect(stepOf(report, 'bind /etc/ssh')?.status).toBe('ok');
      expect(stepOf(report, 'grow /usr/local')?.note).toBe('nothing to grow');
      expect(host.files.readText('/etc/fstab')).toContain('tmpfs /usr/local tmpfs mode=0755,size=25% 0 0\n');
    },
  );

  test('a bind that fails takes no other with it', async () => {
    const { host, report } = await bootMachine({ onMount: refuse('/home') });
    expect([report.outcome, oddities(report)]).toEqual(['degraded', ['bind /home: failed']]);
    expect(host.files.readText('/etc/fstab')).not.toContain(' /home ');
    expect(host.mounts().some(({ target }) => target === '/etc/ssh')).toBe(true);
  });

  test('paths that cannot be seeded stay ephemeral', async () => {
    const { report } = await bootMachine({ missing: ['cp'] });
    expect(oddities(report)).toEqual(['bind /home: failed', 'bind /etc/ssh: failed']);
    expect(stepOf(report, 'bind /etc/ssh')?.error?.message).toBe(
      'Its persistent directory could not be made ready: Cannot run cp: it is not installed',
    );
  });

  test('a seed that cannot be synced leaves all paths ephemeral', async () => {
    const { report } = await bootMachine({ codes: { sync: 1 } });
    expect([report.outcome, oddities(report)]).toEqual([
      'degraded',
      ['seed: failed', 'bind /home: skipped', 'bind /etc/ssh: skipped', 'bind /var/lib/k0s: skipped'],
    ]);
  });

  test('an extra volume that is missing costs the others nothing', async () => {
    const { report } = await bootMachine({
      layout: `${layout}VOLUMES="LABEL=DATA:/srv/data LABEL=COS_PERSISTENT:/usr/local"\n`,
    });
    expect([report.outcome, oddities(report)]).toEqual(['degraded', ['volume /srv/data: failed']]);
  });

  test('no layout: the built-in one', async () => {
    const { host, report } = await bootMachine({ layout: undefined });
    expect([report.outcome, oddities(report)]).toEqual(['degraded', ['layout: degraded']]);
    expect(host.mounts().some(({ target }) => target === '/var/log')).toBe(true);
  });

  test('a backing for overlays that is missing is replaced by memory', async () => {
    const { host, report } = await bootMachine({ layout: `${layout}OVERLAY=LABEL=SCRATCH\n` });
    expect(oddities(report)).toEqual(['overlay base: degraded']);
    expect(host.mountLog).toContain('mount tmpfs tmpfs /run/overlay mode=0700');
  });

  test.each([
    ['machine-id', '/usr/local/etc', 'machine-id: failed'],
    ['fstab', '/etc/fstab/x', 'fstab: failed'],
  ])('%s', async (_, path, oddity) => {
    const { report } = await bootMachine({
      prepare: ({ files }) => (path.endsWith('/x') ? files.write(path, '') : files.write(path, 'a file')),
    });
    expect(report.outcome).toBe('degraded');
    expect(oddities(report)).toContain(oddity);
    expect(stepOf(report, 'stage initramfs')?.status).toBe('ok');
  });

  test('errors of stages are told with their place, warnings do not degrade', async () => {
    const error: StageTrouble = {
      stage: 'rootfs',
      severity: 'error',
      message: 'x exited with 1',
      position: '/oem/90.yaml:3:5',
      step: 'Mine',
    };
    const warning: StageTrouble = { stage: 'initramfs', severity: 'warning', message: 'unknown key "fiels"' };
    const { report } = await bootMachine({ troubles: [error, warning] });
    expect([report.outcome, oddities(report)]).toEqual(['degraded', ['stage rootfs: degraded']]);
    expect(stepOf(report, 'stage rootfs')?.problems).toEqual(['/oem/90.yaml:3:5: Mine: x exited with 1']);
    expect(report.stages).toEqual([error, warning]);
    const harmless = await bootMachine({ troubles: [warning] });
    expect([harmless.report.outcome, harmless.report.stages]).toEqual(['ok', [warning]]);
  });
});

describe('what is ignored', () => {
  test('a root that cannot be shared', async () => {
    const { report } = await bootMachine({ onMount: refuse('/') });
    expect([report.outcome, oddities(report)]).toEqual(['ok', ['share root: failed']]);
  });

  test('defaults of the list that an image does not have and cannot get', async () => {
    const { report } = await bootMachine({
      layout:
        'RW_PATHS=/etc\nVOLUMES=LABEL=COS_PERSISTENT:/usr/local\nPERSISTENT_STATE_PATHS="/opt/x /var/cores"\n',
      prepare: ({ files }) => {
        // A file where a directory would have to be made, as the read-only root refuses it.
        files.remove('/var');
        files.write('/var', '');
        files.remove('/opt');
        files.write('/opt', '');
      },
    });
    expect(stepOf(report, 'bind /var/cores')).toMatchObject({ status: 'ok', note: 'not in this image' });
    // The user asked for this one.
    expect(stepOf(report, 'bind /opt/x')).toMatchObject({
      status: 'failed',
      error: { code: 'NO_MOUNT_POINT' },
    });
  });
});

test('each failed step is a line on the console and in the log', async () => {
  const { host } = await bootMachine({ onMount: refuse('/home') });
  const line = 'bind /home failed (degrade): Cannot mount /home: broken';
  expect(host.files.readText('/run/immucore/immucore.log')).toContain(`] ${line}\n`);
  // The stand-in for the kernel's log is written over from its start with each line.
  expect(host.files.readText('/dev/kmsg')).toStartWith('<3>immucore: degraded in 0 ms, ');
});

test('a log that cannot be written does not stop the boot', async () => {
  const { report } = await bootMachine({ prepare: ({ files }) => files.write('/run/immucore', '') });
  expect(report.outcome).toBe('ok');
});

test("the user's paths are merged into the layout file", async () => {
  const { host } = await bootMachine({
    prepare: ({ files }) => files.write('/run/cos/custom-layout.env', 'CUSTOM_BIND_MOUNTS="/var/data"\n'),
  });
  expect(host.files.readText('/run/cos/cos-layout.env')).toContain(
    'PERSISTENT_STATE_PATHS="/home /var/data /etc/ssh /var/lib/k0s"\n',
  );
  expect(host.mounts().some(({ target }) => target === '/var/data')).toBe(true);
});

test('the top of an overlay has the mode of what it covers', async () => {
  const { host } = await bootMachine({ prepare: ({ files }) => files.chmod('/srv', 0o1730) });
  expect(host.files.status('/run/overlay/srv/.overlay/upper')?.mode).toBe(0o1730);
});
