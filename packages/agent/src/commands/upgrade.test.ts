import { afterEach, beforeEach, expect, test } from 'bun:test';
import { rmSync } from 'node:fs';
import type { Host } from '@kairos/host/host';
import { bootFormFromDirectory } from '@kairos/oci/boot-form-directory';
import { bootableSlots } from '../boot-choice.ts';
import { installedScene, type Scene, sceneFolder } from '../node-scene.ts';
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
