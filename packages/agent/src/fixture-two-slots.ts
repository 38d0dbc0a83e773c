import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readGrubEnvironment, updateGrubEnvironment } from '@kairos/host/grub-environment';
import { nextBoot } from './boot/choice.ts';
import type { Scene } from './node-scene.ts';

/** For tests: v2 as active slot and v1 as passive, with the disk's own menu and a boot without faults. */
export async function installTwoSlots(scene: Scene): Promise<void> {
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

/** For tests: the boot loader's variables on the disk of a scene. */
export function bootVariables(scene: () => Scene) {
  const files = () => scene().boot('active').files;
  const env = (path: string) => readGrubEnvironment(files(), path);
  return {
    env,
    setAssessment: (changes: Record<string, string>) =>
      updateGrubEnvironment(files(), '/state/boot_assessment', changes),
    setUser: (changes: Record<string, string>) => updateGrubEnvironment(files(), '/oem/grubenv', changes),
    /** The entries that start next, first first. */
    entries: () =>
      nextBoot({
        user: env('/oem/grubenv'),
        installation: env('/state/grub_oem_env'),
        assessment: env('/state/boot_assessment'),
      }).entries,
  };
}
