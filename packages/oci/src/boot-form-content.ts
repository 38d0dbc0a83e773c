import { type Architecture, architectures } from '@kairos/facts/architecture';
import { KairosError } from '@kairos/facts/errors';
import { annotations, mediaTypes } from '@kairos/facts/media-types';
import { slotFiles } from '@kairos/facts/slot';
import type { BootForm } from './boot-form.ts';
import { isSlotFileName, parseSlotManifest } from './boot-form-manifest.ts';
import { type ContentSource, listManifests, readManifest } from './content.ts';
import type { Descriptor } from './descriptor.ts';
import { readWhole } from './digest.ts';
import { type Manifest, maximumDocument } from './manifest.ts';

function isBootForm(descriptor: Descriptor): boolean {
  return (
    descriptor.annotations?.[annotations.form] === 'boot' || descriptor.artifactType === mediaTypes.bootForm
  );
}

function invalid(source: ContentSource, reason: string): KairosError {
  return new KairosError('BOOT_FORM_INVALID', `The boot form in ${source.name} is not valid: ${reason}`, {
    exit: 'corruptSource',
  });
}

/** Names and descriptors of a boot form's files. */
function filesOf(source: ContentSource, manifest: Manifest): Map<string, Descriptor> {
  const files = new Map<string, Descriptor>();
  for (const layer of manifest.layers) {
    const name = layer.annotations?.[annotations.title];
    if (name === undefined || !isSlotFileName(name)) {
      throw invalid(source, `a layer is called ${JSON.stringify(name ?? '')}`);
    }
    if (files.has(name)) throw invalid(source, `it holds ${name} twice`);
    files.set(name, layer);
  }
  return files;
}

/**
 * The boot form that an OCI manifest describes.
 * @throws KairosError `BOOT_FORM_INVALID`, `IMAGE_MANIFEST_INVALID`, and what the source throws
 */
export async function bootFormFromManifest(source: ContentSource, descriptor: Descriptor): Promise<BootForm> {
  const document = await readManifest(source, descriptor);
  if (document.artifactType !== mediaTypes.bootForm) {
    throw invalid(source, `the artifact type is ${document.artifactType ?? document.config.mediaType}`);
  }
  const layers = filesOf(source, document);
  const first = layers.get(slotFiles.manifest);
  if (first === undefined) throw invalid(source, `it has no ${slotFiles.manifest}`);
  const bytes = await readWhole(
    source.blob(first),
    maximumDocument,
    `${slotFiles.manifest} in ${source.name}`,
  );
  const manifest = parseSlotManifest(bytes, source.name);
  // Both documents say the same of each file, or one of them was changed.
  for (const [file, { size, digest }] of Object.entries(manifest.files)) {
    const layer = layers.get(file);
    if (layer === undefined)
      throw invalid(source, `${file} is in ${slotFiles.manifest} and not in the layers`);
    if (layer.size !== size || layer.digest !== digest) {
      throw invalid(source, `${file} differs between ${slotFiles.manifest} and the layers`);
    }
  }
  for (const file of layers.keys()) {
    if (file !== slotFiles.manifest && manifest.files[file] === undefined) {
      throw invalid(source, `${file} is in the layers and not in ${slotFiles.manifest}`);
    }
  }
  const layerOf = (file: string): Descriptor => {
    const layer = layers.get(file);
    if (layer !== undefined) return layer;
    throw new KairosError('BLOB_MISSING', `${source.name} has no file ${file}`, { exit: 'corruptSource' });
  };
  async function* rest(layer: Descriptor, offset: number): AsyncGenerator<Uint8Array> {
    if (source.blobFrom !== undefined) yield* source.blobFrom(layer, offset);
  }
  return {
    source: source.name,
    digest: descriptor.digest,
    manifest,
    files: new Map([...layers].map(([name, { size }]) => [name, size])),
    path(file) {
      const layer = layers.get(file);
      return layer && source.blobFile?.(layer);
    },
    async *open(file) {
      yield* source.blob(layerOf(file));
    },
    ...(source.blobFrom === undefined
      ? {}
      : { openFrom: (file: string, offset: number) => rest(layerOf(file), offset) }),
  };
}

/**
 * Finds the boot form for an architecture, or `undefined` where the source has none for any architecture (an image
 * that is only layers).
 * @throws KairosError `WRONG_ARCHITECTURE` when there are boot forms, but only for others; and what the source throws
 */
export async function findBootForm(
  source: ContentSource,
  options: { readonly architecture: Architecture },
): Promise<BootForm | undefined> {
  const others = new Set<string>();
  for (const descriptor of await listManifests(source)) {
    const marked = isBootForm(descriptor);
    // A reference straight to the manifest carries no annotation: the document itself says what it is.
    if (!marked && (descriptor.platform !== undefined || descriptor.annotations?.[annotations.form]))
      continue;
    if (!marked && (await readManifest(source, descriptor)).artifactType !== mediaTypes.bootForm) continue;
    const stated = descriptor.platform?.architecture;
    if (stated !== undefined && stated !== options.architecture) {
      others.add(stated);
      continue;
    }
    const form = await bootFormFromManifest(source, descriptor);
    if (form.manifest.architecture === options.architecture) return form;
    others.add(form.manifest.architecture);
  }
  if (others.size === 0) return undefined;
  throw new KairosError(
    'WRONG_ARCHITECTURE',
    `${source.name} is for ${[...others].sort().join(', ')}, not for ${options.architecture}`,
    {
      exit: 'unsuitableImage',
      details: { wanted: options.architecture, found: [...others].sort(), known: architectures },
    },
  );
}
