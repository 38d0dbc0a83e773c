import type { Architecture } from '@kairos/facts/architecture';
import { KairosError } from '@kairos/facts/errors';
import { annotations, mediaTypes } from '@kairos/facts/media-types';
import {
  type ApplyOptions,
  applyLayer,
  layerPolicy,
  type UnpackFinding,
  type UnpackResult,
} from './apply-layer.ts';
import { type ContentSource, listManifests, readImageConfig, readManifest } from './content.ts';
import { decompress } from './decompress.ts';
import type { Descriptor } from './descriptor.ts';
import { shortDigest, withDigest } from './digest.ts';
import { type ImageConfig, isManifestType, type Manifest } from './manifest.ts';

/** An image of ordinary layers for one platform. */
export interface ContainerImage {
  readonly content: ContentSource;
  readonly descriptor: Descriptor;
  readonly manifest: Manifest;
  readonly config: ImageConfig;
}

export interface UnpackImageOptions {
  /** Default `create`; without root they are left out with a finding. */
  readonly devices?: ApplyOptions['devices'];
  readonly signal?: AbortSignal;
  /** Called with layers done, layers in all, and entries of the current layer. */
  readonly onProgress?: (layer: number, layers: number, entries: number) => void;
}

/** False for what is marked as another form, or as an attestation, which BuildKit gives the platform `unknown`. */
function couldBeImage(descriptor: Descriptor): boolean {
  const form = descriptor.annotations?.[annotations.form];
  return (
    isManifestType(descriptor.mediaType) &&
    (form === undefined || form === 'container') &&
    descriptor.artifactType === undefined &&
    descriptor.platform?.os !== 'unknown' &&
    descriptor.annotations?.['vnd.docker.reference.type'] === undefined
  );
}

/**
 * Finds the image of layers for an architecture, or `undefined` where the source has none for any.
 * @throws KairosError `WRONG_ARCHITECTURE` when there are images, but only for others; and what the source throws
 */
export async function findContainerImage(
  content: ContentSource,
  options: { readonly architecture: Architecture },
): Promise<ContainerImage | undefined> {
  const others = new Set<string>();
  for (const descriptor of await listManifests(content)) {
    if (!couldBeImage(descriptor)) continue;
    const stated = descriptor.platform;
    if (stated !== undefined && (stated.architecture !== options.architecture || stated.os !== 'linux')) {
      others.add(`${stated.os}/${stated.architecture}`);
      continue;
    }
    const manifest = await readManifest(content, descriptor);
    const { mediaType } = manifest.config;
    if (
      manifest.artifactType !== undefined ||
      (mediaType !== mediaTypes.config && mediaType !== mediaTypes.dockerConfig)
    ) {
      continue;
    }
    const config = await readImageConfig(content, manifest);
    if (config.architecture === options.architecture && config.os === 'linux') {
      return { content, descriptor, manifest, config };
    }
    others.add(`${config.os}/${config.architecture}`);
  }
  if (others.size === 0) return undefined;
  throw new KairosError(
    'WRONG_ARCHITECTURE',
    `${content.name} is for ${[...others].sort().join(', ')}, not for linux/${options.architecture}`,
    {
      exit: 'unsuitableImage',
      details: { wanted: `linux/${options.architecture}`, found: [...others].sort() },
    },
  );
}

/**
 * Unpacks an image's layers into a directory, lowest first; digests of the blobs and of what is in them are checked.
 * @throws KairosError `LAYER_UNSUPPORTED`, `DIGEST_MISMATCH`, and what `applyLayer` and the source throw
 */
export async function unpackImage(
  image: ContainerImage,
  root: string,
  options: UnpackImageOptions = {},
): Promise<UnpackResult> {
  const { content, manifest, config } = image;
  const { layers } = manifest;
  if (config.diffIds.length !== layers.length) {
    throw new KairosError(
      'MANIFEST_INVALID',
      `${content.name}: the manifest has ${layers.length} layers, its configuration ${config.diffIds.length}`,
      { exit: 'corruptSource' },
    );
  }
  const findings = new Map<UnpackFinding['kind'], { count: number; entries: string[] }>();
  let entries = 0;
  let bytes = 0;
  for (const [index, layer] of layers.entries()) {
    const name = `${content.name}, layer ${index + 1} of ${layers.length} (${shortDigest(layer.digest)})`;
    if (!/\btar\b/.test(layer.mediaType) || layer.mediaType.endsWith('+encrypted')) {
      throw new KairosError('LAYER_UNSUPPORTED', `${name} is of type ${layer.mediaType}, not a tar archive`, {
        exit: 'corruptSource',
      });
    }
    const plain = withDigest(
      decompress(content.blob(layer), name),
      config.diffIds[index] ?? '',
      `The content of ${name}`,
    );
    const result = await applyLayer(plain, root, {
      name,
      ...layerPolicy,
      ...(options.devices === undefined ? {} : { devices: options.devices }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
      onProgress: (count) => options.onProgress?.(index, layers.length, count),
    });
    entries += result.entries;
    bytes += result.bytes;
    for (const { kind, count, entries: named } of result.findings) {
      const known = findings.get(kind) ?? { count: 0, entries: [] };
      known.count += count;
      known.entries.push(...named.slice(0, 10 - known.entries.length));
      findings.set(kind, known);
    }
  }
  options.onProgress?.(layers.length, layers.length, 0);
  return { entries, bytes, findings: [...findings].map(([kind, found]) => ({ kind, ...found })) };
}
