import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { rmSync } from 'node:fs';
import { KairosError } from '@kairos/facts/errors';
import type { MountRequest } from '@kairos/host/host';
import type { StageTrouble } from './boot-context.ts';
import { active, blkid, bootIn, layout, type Machine, oddities, refuse, stepOf } from './fixture-boot.ts';
import { testFolder } from './test-folder.ts';

let folder: string;
beforeEach(() => {
  folder = testFolder('boot');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));
const bootMachine = (machine: Machine = {}) => bootIn(folder, machine);

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
