import { afterEach, beforeEach } from 'bun:test';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { editGrubEnvironment } from '@kairos/host/fixture-grub-environment';
import { readGrubEnvironment } from '@kairos/host/grub-environment';
import { nextBoot } from './boot/choice.ts';
import { makeScene, type Scene, sceneFolder } from './node-scene.ts';

/** v2 as active slot and v1 as passive, with the disk's own menu and a boot without faults. */
async function installTwoSlots(scene: Scene): Promise<void> {
  await scene.install('v2', 'active');
  await scene.install('v1', 'passive');
  const { files } = scene.boot('active');
  files.write('/oem/config.yaml', '#cloud-config\nusers: [{name: a, groups: [admin]}]\n');
  files.write('/run/immucore/boot-report.json', '{"steps":[]}');
  files.write(
    '/state/grub2/grub.cfg',
    readFileSync(join(import.meta.dir, '../../../system/grub/grub.cfg'), 'utf8'),
  );
}

/** Options of a command that says nothing. */
export const silent = { onProgress: () => undefined, now: () => new Date('2026-01-02T03:04:05Z') };

/** The boot loader's variables on the disk of a scene. */
function bootVariables(scene: () => Scene) {
  const files = () => scene().boot('active').files;
  const env = (path: string) => readGrubEnvironment(files(), path);
  return {
    env,
    setAssessment: (changes: Record<string, string>) =>
      editGrubEnvironment(files(), '/state/boot_assessment', changes),
    setUser: (changes: Record<string, string>) => editGrubEnvironment(files(), '/oem/grubenv', changes),
    /** The entries that start next, first first. */
    entries: () =>
      nextBoot({
        user: env('/oem/grubenv'),
        installation: env('/state/grub_oem_env'),
        assessment: env('/state/boot_assessment'),
      }).entries,
  };
}

/** For tests: a node with two slots, anew for each test of the file, and its boot loader's variables. */
export function twoSlots() {
  let folder: string;
  let scene: Scene;
  const remove = () => rmSync(folder, { recursive: true, force: true });
  beforeEach(async () => {
    folder = sceneFolder();
    scene = makeScene(folder);
    await installTwoSlots(scene);
  });
  afterEach(remove);
  /** The node as it was at the beginning of the test. */
  const anew = async () => {
    remove();
    await installTwoSlots(scene);
  };
  return { scene: () => scene, anew, ...bootVariables(() => scene) };
}
