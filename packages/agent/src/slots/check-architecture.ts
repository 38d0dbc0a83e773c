import type { Architecture } from '@kairos/facts/architecture';
import { KairosError } from '@kairos/facts/errors';
import type { ImageManifest } from '@kairos/facts/image-manifest';

/** @throws KairosError `WRONG_ARCHITECTURE` */
export function checkArchitecture(source: string, manifest: ImageManifest, machine: Architecture): void {
  if (manifest.architecture === machine) return;
  throw new KairosError(
    'WRONG_ARCHITECTURE',
    `${source} is an image for ${manifest.architecture}, this machine is ${machine}`,
    { exit: 'unsuitableImage', hint: `Give an image for ${machine}` },
  );
}
