import { afterEach, beforeEach, expect, test } from 'bun:test';
import { cpSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { slotFiles } from '@kairos/facts/slot';
import { editGrubEnvironment } from '@kairos/host/fixture-grub-environment';
import { readGrubEnvironment } from '@kairos/host/grub-environment';
import type { Host } from '@kairos/host/host';
import { bootFormFromDirectory } from '@kairos/oci/boot-form-directory';
import { bootableSlots, nextBoot, slotOfEntry } from '../boot/choice.ts';
import { type UpgradeParts, upgradeWith } from '../commands/upgrade.ts';
import { cutBefore, makeScene, PowerCut, type Scene, sceneFolder } from '../node-scene.ts';

let folder: string;
let template: string;
let scene: Scene;
beforeEach(() => {
  folder = sceneFolder();
  template = `${folder}-template`;
  scene = makeScene(folder);
});
afterEach(() => {
  for (const path of [folder, template]) rmSync(path, { recursive: true, force: true });
});

const parts = (effect: () => void = () => undefined): UpgradeParts => ({
  async openSource(_, uri) {
    const image = bootFormFromDirectory(uri);
    return {
      close: () => undefined,
      image: {
        ...image,
        async *open(name) {
          for await (const chunk of image.open(name)) {
            if (name === slotFiles.root) effect();
            yield chunk;
          }
        },
      },
    };
  },
  runStage: async () => undefined,
  now: () => new Date('2026-01-02T03:04:05Z'),
});

const run = (host: Host, source: string, effect?: () => void) =>
  upgradeWith(host, { source, onProgress: () => undefined }, parts(effect));

async function setUp(active: string, passive: string, user: Record<string, string> = {}): Promise<void> {
  await scene.install(active, 'active');
  await scene.install(passive, 'passive');
  await scene.install(active, 'recovery');
  const { files } = scene.boot('active');
  files.write('/oem/config.yaml', '#cloud-config\nusers: [{name: a, groups: [admin]}]\n');
  editGrubEnvironment(files, '/oem/grubenv', user);
  editGrubEnvironment(files, '/state/boot_assessment', {});
  files.write('/run/cos/efi/EFI/BOOT/BOOTX64.EFI', 'MZ shim old');
}

function choice(host: Host) {
  const read = (path: string) => readGrubEnvironment(host.files, path);
  return nextBoot({
    user: read('/oem/grubenv'),
    installation: read('/state/grub_oem_env'),
    assessment: read('/state/boot_assessment'),
  });
}

/** What GRUB does before it starts a kernel. */
function start(): 'active' | 'passive' | 'recovery' {
  const { files } = scene.boot('active');
  const entry = choice(scene.boot('active')).entries[0] ?? '';
  const { kairos_tries: tries } = readGrubEnvironment(files, '/state/boot_assessment');
  editGrubEnvironment(files, '/oem/grubenv', { next_entry: '' });
  if (entry === 'cos' && tries) {
    editGrubEnvironment(files, '/state/boot_assessment', { kairos_tries: String(Number(tries) - 1) });
  }
  return slotOfEntry[entry] ?? 'recovery';
}

interface Case {
  readonly booted: 'active' | 'passive' | 'recovery';
  readonly slots: readonly [active: string, passive: string];
  readonly user?: Record<string, string>;
  /** Passive afterwards, by whether the node was restarted after the cut. */
  readonly passive: string;
}

const cases: readonly (readonly [string, Case])[] = [
  ['from active', { booted: 'active', slots: ['v2', 'v1'], passive: 'v2' }],
  ['from active, both slots the same', { booted: 'active', slots: ['v2', 'v2'], passive: 'v2' }],
  [
    'from passive',
    { booted: 'passive', slots: ['v2', 'v1'], user: { saved_entry: 'fallback' }, passive: 'v1' },
  ],
  [
    'from recovery',
    { booted: 'recovery', slots: ['v2', 'v1'], user: { saved_entry: 'recovery' }, passive: 'v2' },
  ],
];

for (const afterwards of ['run again', 'restarted and run again'] as const) {
  test.each(cases)(
    `a power cut before every change, %s, ${afterwards}`,
    async (_, { booted, slots, user, passive }) => {
      let cuts = 0;
      await setUp(...slots, user);
      const image = await scene.image('v3');
      rmSync(template, { recursive: true, force: true });
      renameSync(folder, template);
      for (let n = 1; ; n++) {
        rmSync(folder, { recursive: true, force: true });
        cpSync(template, folder, { recursive: true });
        const fault = cutBefore(scene.boot(booted), n);
        const outcome = await run(fault.host, image, fault.effect).then(
          () => 'done',
          (error: unknown) => error,
        );
        if (outcome === 'done' && fault.effects() < n) break;
        cuts++;
        if (outcome !== 'done' && !(outcome instanceof PowerCut)) throw outcome;
        // Both slots are complete at every instant.
        expect([n, await bootableSlots(scene.boot('active').files, '/state')]).toEqual([
          n,
          ['active', 'passive'],
        ]);
        // A stream that is cut off leaves a file without a name of its own.
        if (scene.boot('active').files.exists('/state/cOS/transition')) {
          writeFileSync(join(folder, 'state/cOS/transition/.77-0.tmp'), 'torn');
        }
        const again = afterwards === 'run again' ? booted : start();
        await run(scene.boot(again), image);
        expect([n, scene.slots()]).toEqual([n, { active: 'v3', passive }]);
        expect(await bootableSlots(scene.boot('active').files, '/state')).toEqual(['active', 'passive']);
        const { files } = scene.boot('active');
        expect(files.readText('/state/grub2/grub.cfg')).toBe('# menu v3\n');
        expect(files.readText('/run/cos/efi/EFI/BOOT/BOOTX64.EFI')).toBe('MZ shim v3');
        // What the user saved counts again after the one start that an upgrade asks for.
        if (user === undefined || again === booted) expect([n, start()]).toEqual([n, 'active']);
      }
      expect(cuts).toBeGreaterThan(40);
    },
  );
}
