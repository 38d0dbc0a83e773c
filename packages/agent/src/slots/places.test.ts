import { afterEach, beforeEach, expect, test } from 'bun:test';
import { rmSync, writeFileSync } from 'node:fs';
import type { Host } from '@kairos/host/host';
import { tryLock } from '@kairos/host/lock';
import { parse } from 'yaml';
import { readBootFailures } from '../boot/failures.ts';
import { applyGrubOptions } from '../boot/grub-options.ts';
import { bootEntry } from '../commands/boot-entry.ts';
import { markBootGood } from '../commands/boot-good.ts';
import { reset } from '../commands/reset.ts';
import { resetStatus } from '../commands/reset-status.ts';
import { rollback } from '../commands/rollback.ts';
import { state, stateGet } from '../commands/state.ts';
import { upgrade } from '../commands/upgrade.ts';
import { installedScene, type Scene, sceneFolder } from '../node-scene.ts';
import { lockPath, lookWork, takeLock } from '../operation.ts';

let folder: string;
let scene: Scene;
beforeEach(async () => {
  folder = sceneFolder();
  scene = await installedScene(folder, { active: 'v2', passive: 'v1', recovery: 'v0' });
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const holder = (work: string) => ({ pid: 4711, work, since: new Date().toISOString() });

test('in recovery all slots are shown, and what starts next; nothing stays mounted', async () => {
  const host = scene.boot('recovery');
  expect(JSON.parse(await state(host, { json: true }))).toMatchObject({
    boot: 'recovery_boot',
    state: { found: true, mounted: false, mount_point: '' },
    slots: {
      active: { version: 'v2', status: 'good' },
      passive: { version: 'v1', status: 'good' },
      recovery: { version: 'v0' },
    },
    next_boot: { entries: ['cos', 'fallback', 'recovery'], reason: 'default' },
  });
  expect(host.mountLog).toEqual(['mount ext4 /dev/vda5 /run/cos/state ro', 'unmount /run/cos/state']);
  expect(tryLock(host.files, lockPath, holder('test')).held).toBe(true);
});

test('in the active system the slot of recovery is shown', async () => {
  const host = scene.boot('active');
  expect(await stateGet(host, 'slots.recovery.version')).toBe('v0\n');
  expect(host.mountLog).toEqual(['mount ext4 /dev/vda4 /run/cos/recovery ro', 'unmount /run/cos/recovery']);
});

test.each(['boot', '.oem.mounted', 'upgrade_failure', 'slots_of_another_name'])(
  '%s is known without a mount',
  async (query) => {
    const host = scene.boot('recovery');
    await stateGet(host, query);
    expect(host.mountLog).toEqual([]);
  },
);

const asUser = { uid: 1000 };
const damaged = {
  onMount() {
    throw new Error('bad superblock');
  },
};
/** Time that passes by waiting. */
function passing(onSleep: (now: number) => void = () => undefined) {
  let now = 0;
  const sleep = async (time: number) => {
    now += time;
    onSleep(now);
  };
  return { now: () => now, sleep };
}
const unread = async (more: object, clock = passing()) =>
  parse(await state(scene.boot('recovery', more), { clock })).unread;

test('what cannot be looked into is told, with the reason', async () => {
  expect(await unread({})).toBeUndefined();
  expect(await unread(asUser)).toEqual(['COS_STATE: it is not mounted, and only root can look into it']);
  expect(await unread(damaged)).toEqual(['COS_STATE: bad superblock']);
  const lock = tryLock(scene.boot('recovery').files, lockPath, holder('reset'));
  const clock = passing();
  expect(await unread({}, clock)).toEqual([
    'COS_STATE: it may be changing (reset, process 4711, running for 0 s)',
  ]);
  expect(clock.now()).toBe(3000);
  if (lock.held) lock.release();
});

test('what is done in a moment is waited for', async () => {
  for (const look of [
    (clock: ReturnType<typeof passing>) => unread({}, clock),
    // Else the whole first boot would be done again at the next start.
    (clock: ReturnType<typeof passing>) =>
      applyGrubOptions(
        scene.boot('active'),
        { a: 'b' },
        { warn: () => undefined, now: () => new Date(), clock },
      ),
    (clock: ReturnType<typeof passing>) => resetStatus(scene.boot('recovery'), () => undefined, clock),
  ]) {
    const lock = tryLock(scene.boot('recovery').files, lockPath, holder('boot-good'));
    const clock = passing((now) => {
      if (lock.held && now === 200) lock.release();
    });
    await look(clock);
    expect(clock.now()).toBe(200);
  }
  expect(await unread({})).toBeUndefined();
});

test('a live medium leaves the disks alone', async () => {
  const host = scene.boot('recovery', { cmdline: 'root=live:CDLABEL=COS_LIVE' });
  await state(host);
  expect(host.mountLog).toEqual([]);
});

test.each([true, false])('what changes slots waits until a look has ended that says so: %p', (says) => {
  const { files } = scene.boot('active');
  const lock = tryLock(files, lockPath, holder(lookWork));
  // In the instant before and after it, nobody is named.
  if (!says) writeFileSync(files.real(lockPath), '');
  expect(lock.held).toBe(true);
  // The look ends while the other one sleeps.
  const sleep = Bun.sleepSync;
  let slept = 0;
  Bun.sleepSync = () => {
    slept++;
    if (lock.held && slept === 3) lock.release();
  };
  try {
    takeLock(scene.boot('active'), 'upgrade', new Date())();
    expect(slept).toBe(3);
  } finally {
    Bun.sleepSync = sleep;
  }
});

test('who mounts partitions to look at them does not do so while another one works on them', async () => {
  const lock = tryLock(scene.boot('recovery').files, lockPath, holder('reset'));
  const look = { onProgress: () => undefined, dryRun: true };
  const { files } = scene.boot('recovery');
  files.write('/oem/config.yaml', '#cloud-config\ninstall: {nousers: true}\n');
  const runs: readonly (readonly ['active' | 'recovery', (host: Host) => Promise<unknown>])[] = [
    ['active', (host) => rollback(host, look)],
    ['active', (host) => upgrade(host, { ...look, source: `dir:${folder}` })],
    ['recovery', (host) => reset(host, look)],
    ['recovery', (host) => bootEntry(host)],
  ];
  for (const [slot, run] of runs) {
    const host = scene.boot(slot);
    await expect(run(host)).rejects.toMatchObject({ code: 'BUSY' });
    expect(host.mountLog).toEqual([]);
  }
  // What is mounted anyway can be looked at, and what became of a reset is noted elsewhere too.
  expect((await bootEntry(scene.boot('active'))).next.reason).toBe('default');
  const recovery = scene.boot('recovery');
  expect((await resetStatus(recovery, () => undefined, passing())).status).toBe('none');
  expect(recovery.mountLog).toEqual([]);
  if (lock.held) lock.release();
  expect((await bootEntry(recovery)).next.reason).toBe('default');
  expect(recovery.mountLog).toEqual(['mount ext4 /dev/vda5 /run/cos/state ro', 'unmount /run/cos/state']);
});

test('recovery notes why both slots failed when nobody works on them', async () => {
  const first = tryLock(scene.boot('recovery').files, lockPath, holder('reset'));
  const host = scene.boot('recovery', { cmdline: 'root=LABEL=COS_SYSTEM upgrade_failure' });
  let waited = 0;
  const clock = {
    now: () => waited,
    async sleep(time: number) {
      waited += time;
      expect(host.mountLog).toEqual([]);
      if (waited === 3000 && first.held) first.release();
    },
  };
  await markBootGood(host, { onProgress: () => undefined, clock });
  expect(waited).toBe(3000);
  expect(readBootFailures(host.files).map(({ slot }) => slot)).toEqual(['active', 'passive']);
});
