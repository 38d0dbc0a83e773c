import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { rmSync } from 'node:fs';
import type { Mount } from '@kairos/host/mount-table';
import { bootIn, type Machine, oddities } from './fixture-boot.ts';
import { testFolder } from './test-folder.ts';

let folder: string;
beforeEach(() => {
  folder = testFolder('boot');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));
const bootMachine = (machine: Machine = {}) => bootIn(folder, machine);

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
