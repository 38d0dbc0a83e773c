/** What a node does by itself when a slot fails, and what it says about it afterwards. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { NodeState } from '@kairos/agent/state/state';
import { formatGrubEnvironment } from '@kairos/host/grub-environment';
import { guestAccelerator, imageLayout, kairos, work } from '../src/images.ts';
import { readState } from '../src/immutability.ts';
import { OfflinePartition } from '../src/offline-edit.ts';
import { Machine, type MachineOptions } from '../src/qemu.ts';
import { loginAsRoot, quickCommandLine, testUser } from '../src/scenario.ts';

const folder = join(work, 'fallback');
const disk = join(folder, 'node.raw');
const timeout = { timeout: 900_000 };

beforeAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const config = join(folder, 'config.yaml');
  await Bun.write(
    config,
    `#cloud-config\nusers:\n  - name: ${testUser.name}\n    passwd: ${testUser.password}\n    groups: [admin]\n`,
  );
  await kairos('build', 'raw', await imageLayout('debian13'), '--output', disk, '--cloud-config', config);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Disk {
  readonly oem: OfflinePartition;
  readonly state: OfflinePartition;
  /** Makes a file of the slots unreadable as what it is, in its size. */
  garble(path: string): void;
}

/** Starts a copy of the disk after a change. Without an `assessment` both slots have one start left. */
async function start(
  name: string,
  environment: Readonly<Record<string, string>>,
  change: (disk: Disk) => void,
  more: Pick<MachineOptions, 'watchdog'> & { readonly assessment?: Readonly<Record<string, string>> } = {},
): Promise<Machine> {
  const { assessment = { kairos_tries: '1', kairos_fallback_tries: '1' }, watchdog } = more;
  const own = join(folder, `${name}.raw`);
  const copied = await Bun.spawn(['cp', '--sparse=always', '--reflink=auto', disk, own]).exited;
  expect(copied).toBe(0);
  const [oem, state] = [new OfflinePartition(own, 'oem'), new OfflinePartition(own, 'state')];
  const block = (variables: Readonly<Record<string, string>>) => formatGrubEnvironment(variables, 'test');
  // On a busy machine the serial port may take longer to be found than systemd waits for it.
  const patience = `panic=1 systemd.default_device_timeout_sec=600 ${quickCommandLine}`;
  oem.write('/grubenv', block({ kairos_timeout: '0', extra_cmdline: patience, ...environment }));
  state.write('/boot_assessment', block(assessment));
  change({ oem, state, garble: (path) => state.write(path, randomBytes(state.size(path))) });
  return Machine.start({
    name: `fallback-${name}`,
    accelerator: await guestAccelerator(),
    disks: [{ path: own, snapshot: true }],
    ...(watchdog ? { watchdog } : {}),
  });
}

/** Logs in when the assessment of the boot is done, and reads the state. */
async function stateOf(machine: Machine): Promise<NodeState> {
  const shell = machine.console;
  await loginAsRoot(shell, timeout);
  // Waits for the one that the init has started.
  await shell.ok('kairos-agent boot-good', timeout);
  return await readState(shell);
}

const reasons = (state: NodeState) =>
  Object.fromEntries(state.boot_failures.map((failure) => [failure.slot, failure.reasons]));
const usedUp = 'it had all its starts and none of them proved good';

test('a damaged kernel, then an init that hangs, then a kernel that hangs: recovery', async () => {
  await using machine = await start(
    'kernel-hang',
    // Without softdog, which can end a panic that is to last. A short time of the chipset's watchdog.
    {
      extra_passive_cmdline:
        'init=/oem/hang kairos.watchdog=45 module_blacklist=softdog iTCO_wdt.heartbeat=20',
    },
    ({ garble, oem }) => {
      garble('/cOS/active/vmlinuz');
      oem.write(
        '/hang',
        `#!/bin/sh
grep -q ' kairos.trial=0 ' /proc/cmdline || exec cat
echo 0 >/proc/sys/kernel/panic
echo c >/proc/sysrq-trigger
`,
        true,
      );
    },
    { assessment: { kairos_tries: '1', kairos_fallback_tries: '2' }, watchdog: 'tco' },
  );
  const shell = machine.console;
  // The boot loader goes on in the same start; the passive slot hangs and is restarted by its watch.
  await shell.waitFor(/COS_PASSIVE/, timeout);
  await shell.waitFor(/did not prove good within 45 s, restarting/, timeout);
  // In its next start the kernel stops for good, and nothing that is left on it restarts the machine.
  await shell.waitFor(/COS_PASSIVE/, timeout);
  await shell.waitFor(/---\[ end Kernel panic - not syncing: sysrq triggered crash \]---/, timeout);
  await shell.waitFor(/COS_SYSTEM/, timeout);
  const state = await stateOf(machine);
  expect(state.boot).toBe('recovery_boot');
  expect(reasons(state)).toEqual({
    active: ['the boot loader could not load it: its kernel (vmlinuz) is damaged'],
    passive: [
      usedUp,
      'the init of the last start ran, and did not come to the health checks in time: it hung or crashed',
    ],
  });
}, 1_800_000);

test('a damaged initrd, then flipped bytes in root.img, of slots that were good: recovery', async () => {
  await using machine = await start(
    'initrd-root',
    {},
    ({ garble, state }) => {
      garble('/cOS/active/initrd');
      // The superblock of erofs, and all else of the first block.
      state.flip('/cOS/passive/root.img', 0, 4096);
    },
    { assessment: { kairos_starts: '2' } },
  );
  const shell = machine.console;
  // Each start tells its command line twice, which counts where the serial line loses a part of one.
  // Neither is on trial. The active one comes to nothing that could say so: its starts are counted, of which it has two
  // left. The last one is a trial.
  const first = await shell.waitFor(/[Cc]ommand line: (.*COS_ACTIVE.*)/, timeout);
  expect(first[1]).not.toContain('kairos.trial');
  await shell.waitFor(/Kernel panic/, timeout);
  await shell.waitFor(/[Cc]ommand line: .*COS_ACTIVE.* kairos\.trial=0 /, timeout);
  await shell.waitFor(/Kernel panic/, timeout);
  // The failure of the passive one is seen by its initrd, which puts it on trial, with one more start.
  const third = await shell.waitFor(/[Cc]ommand line: (.*COS_PASSIVE.*)/, timeout);
  expect(third[1]).not.toContain('kairos.trial');
  await shell.waitFor(/CANNOT BOOT: cannot mount/, timeout);
  await shell.waitFor(/[Cc]ommand line: .*COS_PASSIVE.* kairos\.trial=0 /, timeout);
  await shell.waitFor(/CANNOT BOOT: cannot mount/, timeout);
  const state = await stateOf(machine);
  expect(state.boot).toBe('recovery_boot');
  const { active, passive } = reasons(state);
  expect(active?.[0]).toBe(usedUp);
  expect(active?.[1]).toContain('its last start left no trace');
  expect(passive?.[0]).toBe(usedUp);
  expect(passive?.[1]).toContain('the last start failed in the initrd: cannot mount');
  const failure = state.boot_failures.find(({ slot }) => slot === 'passive');
  expect(failure?.log.join('\n')).toContain('device-mapper: verity');
}, 1_800_000);

test('a system that runs and fails its health checks: the other one', async () => {
  await using machine = await start(
    'health',
    {},
    ({ oem }) =>
      oem.write(
        '/99_health.yaml',
        `#cloud-config
watchdog: 90s
health:
  deadline: 10
  checks:
    - { name: the right slot, command: 'grep -q COS_PASSIVE /proc/cmdline' }
`,
      ),
    { watchdog: 'i6300esb' },
  );
  const shell = machine.console;
  await shell.waitFor(/COS_ACTIVE/, timeout);
  await shell.waitFor(/COS_PASSIVE/, timeout);
  const state = await stateOf(machine);
  expect(state).toMatchObject({
    boot: 'passive_boot',
    upgrade_failure: true,
    next_boot: { entries: ['fallback', 'recovery', 'cos'], reason: 'active failed' },
    slots: { active: { status: 'failed' }, passive: { status: 'good' } },
  });
  expect(state.boot_failures).toHaveLength(1);
  expect(state.boot_failures[0]?.reasons[0]).toStartWith('the right slot: ');
  expect(state.boot_failures[0]?.log.length).toBeGreaterThan(10);
  const health = JSON.parse(await shell.ok('kairos-agent health --json'));
  expect(health).toMatchObject({ healthy: true, failures: [] });
  // The watch of the trial has ended, and systemd has taken the first watchdog over, one in hardware.
  const keepers = (await shell.ok('cat /run/initramfs/watchdog-keepers')).split('\n');
  expect(keepers).toHaveLength(3);
  for (const keeper of keepers) expect((await shell.run(`kill -0 ${keeper}`)).code).toBe(1);
  expect(await shell.ok('systemctl show --property=RuntimeWatchdogUSec --value')).toBe('1min 30s');
  const facts =
    'cd /sys/class/watchdog && for dog in *; do echo $(cat $dog/identity $dog/timeout $dog/state); done';
  expect((await shell.ok(facts)).split('\n')).toEqual([
    'i6300ESB timer 90 active',
    'iTCO_wdt 30 inactive',
    'Software Watchdog 60 inactive',
  ]);
  // It came up, so that its starts are counted anew.
  expect(await shell.ok('grep -a -o "kairos_starts=[0-9]*" /run/initramfs/cos-state/boot_assessment')).toBe(
    'kairos_starts=5',
  );
}, 1_800_000);
