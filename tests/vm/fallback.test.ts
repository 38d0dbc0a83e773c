/** What a node does by itself when a slot fails, and what it says about it afterwards. Every slot has one start. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { NodeState } from '@kairos/agent/state';
import { formatGrubEnvironment } from '@kairos/host/grub-environment';
import { guestAccelerator, imageLayout, kairos, work } from '../src/images.ts';
import { OfflinePartition } from '../src/offline-edit.ts';
import { Machine } from '../src/qemu.ts';
import { loginAsRoot, testUser } from '../src/scenario.ts';

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

/** Starts a copy of the disk after a change; both slots have one start left. */
async function start(
  name: string,
  environment: Readonly<Record<string, string>>,
  change: (disk: Disk) => void,
  assessment: Readonly<Record<string, string>> = { kairos_tries: '1', kairos_fallback_tries: '1' },
): Promise<Machine> {
  const own = join(folder, `${name}.raw`);
  const copied = await Bun.spawn(['cp', '--sparse=always', '--reflink=auto', disk, own]).exited;
  expect(copied).toBe(0);
  const [oem, state] = [new OfflinePartition(own, 'oem'), new OfflinePartition(own, 'state')];
  const block = (variables: Readonly<Record<string, string>>) => formatGrubEnvironment(variables, 'test');
  // On a busy machine the serial port may take longer to be found than systemd waits for it.
  const patience = 'panic=1 systemd.default_device_timeout_sec=600';
  oem.write('/grubenv', block({ kairos_timeout: '0', extra_cmdline: patience, ...environment }));
  state.write('/boot_assessment', block(assessment));
  change({ oem, state, garble: (path) => state.write(path, randomBytes(state.size(path))) });
  return Machine.start({
    name: `fallback-${name}`,
    accelerator: await guestAccelerator(),
    disks: [{ path: own, snapshot: true }],
  });
}

/** Logs in when the assessment of the boot is done, and reads the state. */
async function stateOf(machine: Machine): Promise<NodeState> {
  const shell = machine.console;
  await loginAsRoot(shell, timeout);
  // Waits for the one that the init has started.
  await shell.ok('kairos-agent boot-good', timeout);
  return JSON.parse((await shell.ok('kairos-agent state --json', timeout)).replaceAll('\n', ''));
}

const reasons = (state: NodeState) =>
  Object.fromEntries(state.boot_failures.map((failure) => [failure.slot, failure.reasons]));
const usedUp = 'it had all its starts and none of them proved good';

test('a damaged kernel, then an init that hangs: recovery', async () => {
  await using machine = await start(
    'kernel-hang',
    { extra_passive_cmdline: 'init=/bin/cat kairos.watchdog=60' },
    ({ garble }) => garble('/cOS/active/vmlinuz'),
  );
  // The boot loader goes on in the same start; the passive slot hangs and is restarted by its watch.
  await machine.console.waitFor(/COS_PASSIVE/, timeout);
  await machine.console.waitFor(/did not prove good within 60 s, restarting/, timeout);
  // On a machine that is very slow the time is over before the init could hang.
  const hung = /switching root/.test(machine.console.text);
  const state = await stateOf(machine);
  expect(state.boot).toBe('recovery_boot');
  expect(reasons(state)).toEqual({
    active: ['the boot loader could not load it: its kernel (vmlinuz) is damaged'],
    passive: [
      usedUp,
      hung
        ? 'the init of the last start ran, and did not come to the health checks in time: it hung or crashed'
        : 'the last start stopped while immucore ran',
    ],
  });
}, 1_800_000);

test('a damaged initrd, then flipped bytes in root.img of a slot that was good: recovery', async () => {
  await using machine = await start(
    'initrd-root',
    {},
    ({ garble, state }) => {
      garble('/cOS/active/initrd');
      // The superblock of erofs, and all else of the first block.
      state.flip('/cOS/passive/root.img', 0, 4096);
    },
    { kairos_tries: '1' },
  );
  await machine.console.waitFor(/Kernel panic/, timeout);
  // The passive slot is not on trial. Its failure puts it there, and it has one more start.
  await machine.console.waitFor(/CANNOT BOOT: cannot mount/, timeout);
  await machine.console.waitFor(/kairos\.trial=0/, timeout);
  await machine.console.waitFor(/CANNOT BOOT: cannot mount/, timeout);
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
  await using machine = await start('health', {}, ({ oem }) =>
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
  // The watch of the trial has ended, and systemd has taken the watchdog over.
  const keeper = await shell.ok('head -n 1 /run/initramfs/watchdog-keepers');
  expect((await shell.run(`kill -0 ${keeper}`)).code).toBe(1);
  expect(await shell.ok('systemctl show --property=RuntimeWatchdogUSec --value')).toBe('1min 30s');
  expect(await shell.ok('cat /sys/class/watchdog/watchdog0/state')).toBe('active');
}, 1_800_000);
