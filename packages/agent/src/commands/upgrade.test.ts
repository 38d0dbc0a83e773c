import { afterEach, beforeEach, expect, test } from 'bun:test';
import { rmSync } from 'node:fs';
import { KairosError } from '@kairos/facts/errors';
import { formatGrubEnvironment } from '@kairos/host/grub-environment';
import type { Host } from '@kairos/host/host';
import { tryLock } from '@kairos/host/lock';
import { bootFormFromDirectory } from '@kairos/oci/boot-form-directory';
import { bootableSlots } from '../boot/choice.ts';
import { installedScene, type Scene, sceneFolder } from '../node-scene.ts';
import { lockPath } from '../operation.ts';
import { type UpgradeOptions, upgradeWith } from './upgrade.ts';

let folder: string;
let scene: Scene;
let image: string;
beforeEach(async () => {
  folder = sceneFolder();
  scene = await installedScene(folder, { active: 'v2', passive: 'v1', recovery: 'v0' });
  image = await scene.image('v3');
  scene
    .boot('active')
    .files.write('/oem/config.yaml', '#cloud-config\nusers: [{name: a, groups: [admin]}]\n');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const run = (host: Host, options: Partial<UpgradeOptions> = {}) =>
  upgradeWith(
    host,
    { source: image, onProgress: () => undefined, ...options },
    {
      openSource: async (_, uri) => ({ image: bootFormFromDirectory(uri), close: () => undefined }),
      runStage: async () => undefined,
      now: () => new Date('2026-01-02T03:04:05Z'),
    },
  );

test.each<[string, () => Host, Partial<UpgradeOptions>, object]>([
  [
    'a live system',
    () => scene.boot('active', { cmdline: 'root=live:CDLABEL=COS_LIVE' }),
    {},
    { code: 'NOT_INSTALLED', exit: 'wrongState' },
  ],
  ['a foreign system', () => scene.boot('active', { cmdline: 'quiet' }), {}, { code: 'NOT_INSTALLED' }],
  ['somebody who is not root', () => scene.boot('active', { uid: 1000 }), {}, { code: 'NOT_ROOT' }],
  [
    'no source',
    () => scene.boot('active'),
    { source: '' },
    {
      ...{ code: 'NO_SOURCE', exit: 'usage' },
      hint: 'Name it with --source, or in the configuration as upgrade.system.source',
    },
  ],
  [
    'no source for recovery',
    () => scene.boot('active'),
    { source: '', recovery: true },
    { hint: 'Name it with --source, or in the configuration as upgrade.recovery-system.source' },
  ],
])('%s is refused', async (_, host, options, error) => {
  await expect(run(host(), options)).rejects.toMatchObject(error);
  expect(scene.slots()).toEqual({ active: 'v2', passive: 'v1' });
});

test.each([
  [1, 'v2 v1 v3'],
  [2, 'v3 v1 v2'],
])(
  'exchange %d of names that fails leaves both slots whole, %s, to be gone on with',
  async (failing, left) => {
    const host = scene.boot('active');
    let exchanges = 0;
    const files = {
      ...host.files,
      exchange(a: string, b: string) {
        // Slots only: the boot loader's files are exchanged too.
        if (a.includes('/cOS/') && ++exchanges === failing) throw new Error('Input/output error');
        host.files.exchange(a, b);
      },
    };
    await expect(run({ ...host, files }, { reboot: true })).rejects.toThrow('Input/output error');
    expect(await bootableSlots(host.files, '/state')).toEqual(['active', 'passive']);
    const { active, passive, transition } = scene.slots();
    expect(`${active} ${passive} ${transition}`).toBe(left);
    // What did not work is no reason to restart.
    expect(host.commands.flat()).not.toContain('reboot');
    await run(scene.boot('active'));
    expect(scene.slots()).toEqual({ active: 'v3', passive: 'v2' });
  },
);

test('a count of starts that cannot be written leaves the slots as they are', async () => {
  const host = scene.boot('active');
  const failing: Host = {
    ...host,
    files: {
      ...host.files,
      exchange(a, b) {
        const refused = new KairosError('SYSTEM_CALL_FAILED', 'Cannot exchange: Input/output error');
        if (b.endsWith('/boot_assessment')) throw Object.assign(refused, { errno: 5 });
        host.files.exchange(a, b);
      },
    },
  };
  host.files.write('/state/boot_assessment', formatGrubEnvironment({ kairos_starts: '5' }, ''));
  await expect(run(failing)).rejects.toMatchObject({ code: 'SYSTEM_CALL_FAILED' });
  expect(scene.slots()).toMatchObject({ active: 'v2', passive: 'v1', transition: 'v3' });
});

test('two at once: the second refuses, with the pid and the age of the first', async () => {
  const host = scene.boot('active');
  const since = '2026-01-02T03:00:00Z';
  const lock = tryLock(host.files, lockPath, { pid: 4711, work: 'upgrade', since });
  await expect(run(host)).rejects.toMatchObject({
    code: 'BUSY',
    exit: 'wrongState',
    message: 'The slots are being changed already (upgrade, process 4711, running for 4 minutes)',
  });
  expect(host.mountLog).toEqual([]);
  if (lock.held) lock.release();
  await run(host);
  expect(scene.slots()).toEqual({ active: 'v3', passive: 'v2' });
  // Mounted where it was not, made writable, and all of it undone, newest first.
  expect(host.mountLog).toEqual([
    'mount vfat /dev/vda2 /run/cos/efi ro',
    'mount ext4  /run/initramfs/cos-state remount,rw',
    'mount vfat /dev/vda2 /run/cos/efi remount,rw',
    'mount vfat /dev/vda2 /run/cos/efi remount,ro',
    'mount ext4  /run/initramfs/cos-state remount,ro',
    'unmount /run/cos/efi',
  ]);
});

test.each(['recovery', 'active'] as const)(
  'from %s, the system is replaced by the image of recovery',
  async (slot) => {
    await scene.install('v7', 'recovery');
    const opened: string[] = [];
    await upgradeWith(
      scene.boot(slot),
      { source: 'recovery:', onProgress: () => undefined },
      {
        async openSource(host, uri) {
          opened.push(uri);
          const path = host.files.real(uri.replace(/^dir:/, ''));
          return { image: bootFormFromDirectory(path, uri), close: () => undefined };
        },
        runStage: async () => undefined,
        now: () => new Date('2026-01-02T03:04:05Z'),
      },
    );
    expect(opened).toEqual([
      `dir:${slot === 'recovery' ? '/run/initramfs/cos-state' : '/run/cos/recovery'}/cOS/recovery`,
    ]);
    expect(scene.slots()).toEqual({ active: 'v7', passive: 'v2' });
  },
);
