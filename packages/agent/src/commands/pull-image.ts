import { type Architecture, architectures, hostArchitecture } from '@kairos/facts/architecture';
import { KairosError } from '@kairos/facts/errors';
import { didYouMean } from '@kairos/facts/suggest';
import type { Host } from '@kairos/host/host';
import { unpackImage } from '@kairos/oci/container-image';
import { openSource } from '@kairos/oci/source';
import { checkRoot } from '../operation.ts';
import type { ReportProgress } from '../progress.ts';
import { hintAtFolder, parseNodeSource } from '../sources/image-source.ts';

export interface PullImageOptions {
  /** `linux/arm64`, or only `arm64`; default: this machine's. */
  readonly platform?: string;
  readonly insecure?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress: ReportProgress;
}

export interface PulledImage {
  readonly image: string;
  readonly directory: string;
  /** Digest of the manifest. */
  readonly digest: string;
  readonly entries: number;
  /** Bytes of all files. */
  readonly bytes: number;
}

/** @throws KairosError `PLATFORM_INVALID` */
export function parsePlatform(text: string): Architecture {
  const [system = '', name = system] = text.includes('/') ? text.split('/') : ['linux', text];
  const known = architectures.find((one) => one === name);
  if (system === 'linux' && known !== undefined) return known;
  const meant = didYouMean(name, architectures);
  throw new KairosError(
    'PLATFORM_INVALID',
    `${JSON.stringify(text)} is not a platform${meant === undefined ? '' : `, did you mean "linux/${meant}"?`}`,
    { exit: 'usage', hint: `Platforms are ${architectures.map((one) => `linux/${one}`).join(', ')}` },
  );
}

/**
 * Unpacks the layers of an image into a directory, which has to be empty or not there. Whatever fails leaves the
 * directory as it was.
 * @throws KairosError `NOT_ROOT`, `PLATFORM_INVALID`, `DIRECTORY_NOT_EMPTY`, `NO_CONTAINER_FORM`, `NO_SPACE`, and those of
 *   the source and the layers
 */
export async function pullImage(
  host: Host,
  image: string,
  directory: string,
  options: PullImageOptions,
): Promise<PulledImage> {
  checkRoot(host);
  const { signal, insecure, onProgress } = options;
  const architecture = options.platform === undefined ? hostArchitecture() : parsePlatform(options.platform);
  const { files } = host;
  const before = files.status(directory);
  if (before !== undefined && (before.kind !== 'directory' || files.list(directory).length > 0)) {
    throw new KairosError('DIRECTORY_NOT_EMPTY', `${directory} is there and not an empty directory`, {
      exit: 'invalidInput',
      hint: 'Name a directory that is empty or not there',
    });
  }
  const { scheme, value } = parseNodeSource(image);
  const source = await openSource(`${scheme}:${value}`, {
    host,
    registry: {
      ...(insecure ? { insecure } : {}),
      ...(signal === undefined ? {} : { signal }),
    },
  }).catch((error) => {
    throw hintAtFolder(host, image, error);
  });
  try {
    onProgress({ step: 'source', message: `opening ${image}` });
    const found = await source.containerImage({ architecture });
    if (found === undefined) {
      throw new KairosError('NO_CONTAINER_FORM', `${image} holds no image of layers`, {
        exit: 'unsuitableImage',
      });
    }
    files.makeDirectory(directory);
    const { entries, bytes } = await unpackImage(found, files.real(directory), {
      ...(signal === undefined ? {} : { signal }),
      onProgress: (layer, layers) =>
        onProgress({
          step: 'unpack',
          message: `unpacking layer ${Math.min(layer + 1, layers)} of ${layers}`,
          done: layer,
          total: layers,
        }),
    });
    return { image, directory, digest: found.descriptor.digest, entries, bytes };
  } catch (error) {
    if (before === undefined) files.remove(directory);
    else for (const name of files.list(directory)) files.remove(`${directory}/${name}`);
    throw hintAtFolder(host, image, error);
  } finally {
    source.close();
  }
}
