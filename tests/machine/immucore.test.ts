/**
 * Immucore on real mounts: this machine's own root, read-only below an overlay, in a mount namespace of its own.
 * Needs root and loop devices.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BootReport } from '@kairos/immucore/boot-report';
import { run } from '../src/run-tool.ts';

// The machine may be busy; nothing here is timed.
setDefaultTimeout(120_000);

const repository = join(import.meta.dir, '../..');
const work = mkdtempSync(join(tmpdir(), 'immucore-'));
/** Labels of this run only: other disks of the machine may carry the usual ones. */
const unique = `T${process.pid}`;
const loops: string[] = [];

function loopWith(label: string): string {
  const file = join(work, `${label}.img`);
  writeFileSync(file, '');
  truncateSync(file, 48 * 1024 * 1024);
  run('mkfs.ext4', '-q', '-L', `${unique}${label}`, file);
  const loop = run('losetup', '--find', '--show', file).trim();
  loops.push(loop);
  return loop;
}

const layout = (persistent: string) => `name: test
stages:
  rootfs:
    - environment_file: /run/cos/cos-layout.env
      environment:
        VOLUMES: LABEL=${unique}${persistent}:/usr/local
        OVERLAY: tmpfs:64m
        RW_PATHS: /etc /var /srv
        PERSISTENT_STATE_PATHS: /kept /etc/kept /var/new /var/new/below
      if_files: { any: [/run/cos/active_mode] }
  initramfs:
    - commands: [cp /etc/fstab /run/immucore/fstab-in-stage]
`;

/**
 * Boots once. `inside` runs in the finished root; what it prints is returned. The writable disks are left as the boot
 * and `inside` left them.
 */
function bootOnce(options: { persistent?: string; cmdline?: string; inside?: string } = {}) {
  const { persistent = 'PERSISTENT', inside = 'true' } = options;
  const cmdline =
    options.cmdline ??
    `root=LABEL=COS_ACTIVE rd.cos.oemlabel=${unique}OEM kairos.verity=${'ab'.repeat(32)}:-:1:1`;
  const upper = join(work, 'upper');
  rmSync(upper, { recursive: true, force: true });
  for (const path of ['oem', 'system/oem', 'run', 'etc/kept', 'kept'])
    mkdirSync(join(upper, path), { recursive: true });
  writeFileSync(join(upper, 'etc/machine-id'), '');
  writeFileSync(join(upper, 'etc/hostname'), '');
  chmodSync(join(upper, 'kept'), 0o750);
  writeFileSync(join(upper, 'kept/shipped'), 'by the image');
  writeFileSync(join(upper, 'etc/kept/shipped'), 'by the image');
  writeFileSync(join(upper, 'system/oem/00_test.yaml'), layout(persistent));
  writeFileSync(join(work, 'cmdline'), cmdline);
  cpSync(join(work, 'immucore'), join(upper, 'immucore'));
  const script = `set -e
    w=${work}
    mount --make-rprivate /
    mkdir -p $w/t; mount -t tmpfs tmpfs $w/t; mkdir $w/t/w $w/t/m
    cp -a $w/upper $w/t/u; m=$w/t/m
    mount -t overlay -o lowerdir=/,upperdir=$w/t/u,workdir=$w/t/w overlay $m
    mount -o remount,ro $m
    mount -t tmpfs tmpfs $m/run; mount --bind /dev $m/dev; mount -t proc proc $m/proc; mount -t sysfs sysfs $m/sys
    cp $w/cmdline $m/run/cmdline
    set +e
    HOST_PROC_CMDLINE=/run/cmdline timeout -s KILL 60 chroot $m /immucore; echo $? >$w/code
    cp $m/run/immucore/boot-report.json $w/report.json
    chroot $m /bin/sh -c "$INSIDE" >$w/inside 2>&1
    exit 0`;
  const { stderr, exitCode } = Bun.spawnSync(['unshare', '--mount', '--uts', 'sh', '-c', script], {
    env: { ...process.env, INSIDE: inside },
  });
  if (exitCode !== 0) throw new Error(`the sandbox failed: ${stderr}`);
  const report = JSON.parse(readFileSync(join(work, 'report.json'), 'utf8')) as BootReport;
  return {
    code: Number(readFileSync(join(work, 'code'), 'utf8')),
    report,
    inside: readFileSync(join(work, 'inside'), 'utf8').trimEnd().split('\n'),
    bad: report.steps.filter(({ status }) => status !== 'ok'),
  };
}

beforeAll(() => {
  const entry = join(work, 'entry.ts');
  writeFileSync(
    entry,
    `import { immucore } from '${repository}/packages/immucore/src/main.ts';
     import { machineHost } from '${repository}/packages/host/src/machine.ts';
     import { runBootStage } from '${repository}/packages/cli/src/stage-runner.ts';
     process.exitCode = await immucore(machineHost(), process.argv.slice(2), runBootStage);`,
  );
  run(process.execPath, 'build', '--compile', entry, '--outfile', join(work, 'immucore'));
  loopWith('OEM');
  loopWith('PERSISTENT');
});

afterAll(() => {
  for (const loop of loops) run('losetup', '--detach', loop);
  rmSync(work, { recursive: true, force: true });
});

describe('an active boot', () => {
  test('has a read-only root, ephemeral overlays and persistent binds', () => {
    const { code, report, bad, inside } = bootOnce({
      inside: `
        for path in / /usr /usr/bin; do touch $path/proof 2>/dev/null && echo "$path can be written"; done
        for path in /etc /var /srv /kept /etc/kept /var/new /usr/local /oem /tmp; do touch $path/proof || echo "$path cannot"; done
        stat -c '%a' /kept /tmp
        before=$(wc -l </proc/self/mountinfo); mount -a; echo "mount -a $?"
        [ $before = $(wc -l </proc/self/mountinfo) ] && echo 'nothing mounted twice'
        grep -c ' shared:' /proc/self/mountinfo | grep -q '^[1-9]' && echo shared
        cmp /etc/fstab /run/immucore/fstab-in-stage && echo 'fstab before the stage'
        cat /etc/hostname`,
    });
    expect([code, report.outcome, bad]).toEqual([0, 'ok', []]);
    expect(inside).toEqual([
      '750',
      '1777',
      'mount -a 0',
      'nothing mounted twice',
      'shared',
      'fstab before the stage',
      report.hostname ?? '',
    ]);
    expect(report.hostname).toBe(`kairos-${report.machineId?.slice(0, 4)}`);
  });

  test('keeps on the second boot what persists, and nothing else', () => {
    const first = bootOnce({ inside: 'rm /kept/shipped; cat /etc/machine-id' });
    const second = bootOnce({
      inside: `
        for path in /etc /var /srv /kept /etc/kept /var/new /usr/local /oem /tmp; do [ -e $path/proof ] && echo $path; done
        cat /etc/kept/shipped; echo; [ -e /kept/shipped ] && echo 'the deleted file is back'
        cat /etc/machine-id`,
    });
    expect([second.report.outcome, second.bad]).toEqual(['ok', []]);
    expect(second.inside).toEqual([
      '/kept',
      '/etc/kept',
      '/var/new',
      '/usr/local',
      '/oem',
      'by the image',
      first.report.machineId ?? '',
    ]);
    expect(first.inside).toEqual([first.report.machineId ?? '']);
  });

  test('without its persistent partition comes up in memory and says so', () => {
    const { code, report, bad, inside } = bootOnce({
      persistent: 'NOWHERE',
      inside: 'touch /usr/local/proof /kept/proof && findmnt -n -o FSTYPE /usr/local',
    });
    expect([code, report.outcome, inside]).toEqual([0, 'degraded', ['tmpfs']]);
    expect(bad.map(({ name, status }) => [name, status])).toEqual([['volume /usr/local', 'degraded']]);
  });
});

test('recovery never mounts the persistent partition', () => {
  const { code, report, inside } = bootOnce({
    cmdline: 'root=LABEL=COS_SYSTEM',
    persistent: 'PERSISTENT',
    inside: 'findmnt -n -o FSTYPE /etc',
  });
  expect([code, report.bootState, inside]).toEqual([0, 'recovery_boot', ['overlay']]);
});
