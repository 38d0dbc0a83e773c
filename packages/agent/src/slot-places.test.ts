import { afterEach, beforeEach, expect, test } from 'bun:test';
import { rmSync } from 'node:fs';
import { tryLock } from '@kairos/host/lock';
import { parse } from 'yaml';
import { state, stateGet } from './commands/state.ts';
import { makeScene, type Scene, sceneFolder } from './node-scene.ts';
import { lockPath, lookWork, takeLock } from './operation.ts';

let folder: string;
let scene: Scene;
beforeEach(async () => {
  folder = sceneFolder();
  scene = makeScene(folder);
  await scene.install('v2', 'active');
  await scene.install('v1', 'passive');
  await scene.install('v0', 'recovery');
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
const unread = async (more: object) => parse(await state(scene.boot('recovery', more))).unread;

test('what cannot be looked into is told, with the reason', async () => {
  expect(await unread({})).toBeUndefined();
  expect(await unread(asUser)).toEqual(['COS_STATE: it is not mounted, and only root can look into it']);
  expect(await unread(damaged)).toEqual(['COS_STATE: bad superblock']);
  const lock = tryLock(scene.boot('recovery').files, lockPath, holder('reset'));
  expect(await unread({})).toEqual(['COS_STATE: it may be changing (reset, process 4711, running for 0 s)']);
  if (lock.held) lock.release();
});

test('a live medium leaves the disks alone', async () => {
  const host = scene.boot('recovery', { cmdline: 'root=live:CDLABEL=COS_LIVE' });
  await state(host);
  expect(host.mountLog).toEqual([]);
});

test('what changes slots waits until a look has ended', () => {
  const { files } = scene.boot('active');
  const lock = tryLock(files, lockPath, holder(lookWork));
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
