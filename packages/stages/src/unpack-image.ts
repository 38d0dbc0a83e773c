import {
  type Architecture,
  architectureNames,
  architectures,
  hostArchitecture,
} from '@kairos/facts/architecture';
import { KairosError } from '@kairos/facts/errors';
import type { Host } from '@kairos/host/host';
import { unpackImage } from '@kairos/oci/container-image';
import { openSource } from '@kairos/oci/source';

/**
 * The architecture of a platform as image tools write it: `linux/arm64`, `linux/arm64/v8`, `arm64`, `aarch64`.
 * @throws KairosError `PLATFORM_INVALID`
 */
export function architectureOf(platform: string | undefined): Architecture {
  if (platform === undefined || platform === '') return hostArchitecture();
  const [system, name] = platform.includes('/') ? platform.split('/') : ['linux', platform];
  const found = architectures.find((each) => each === name || architectureNames[each].uname === name);
  if (system === 'linux' && found !== undefined) return found;
  throw new KairosError('PLATFORM_INVALID', `there is no platform ${JSON.stringify(platform)}`, {
    exit: 'invalidInput',
    hint: `Write ${architectures.map((each) => `linux/${each}`).join(', ')}`,
  });
}

/**
 * Unpacks an image of a registry, a layout or an archive into a directory of the machine.
 * @throws KairosError `PLATFORM_INVALID`, `IMAGE_MISSING`, and what the source and its layers throw
 */
export async function unpackInto(
  host: Host,
  source: string,
  target: string,
  platform?: string,
): Promise<void> {
  const architecture = architectureOf(platform);
  const opened = await openSource(source, { host });
  try {
    const image = await opened.containerImage({ architecture });
    if (image === undefined) {
      throw new KairosError('IMAGE_MISSING', `${source} holds no image of layers for linux/${architecture}`, {
        exit: 'notFound',
      });
    }
    await unpackImage(image, host.files.real(target));
  } finally {
    opened.close();
  }
}
