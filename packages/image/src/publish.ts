import type { ImageManifest } from '@kairos/facts/image-manifest';
import { annotations, mediaTypes } from '@kairos/facts/media-types';
import { slotFiles } from '@kairos/facts/slot';
import { canonicalJson } from '@kairos/oci/canonical-json';
import type { Descriptor } from '@kairos/oci/descriptor';
import { sha256Of } from '@kairos/oci/digest';
import type { LayoutWriter } from '@kairos/oci/layout-writer';
import type { ContainerLayer } from './container-layers.ts';

/** Annotations that both forms bear; the container form has them as labels too. */
export function imageAnnotations(manifest: Omit<ImageManifest, 'files'>): Record<string, string> {
  return {
    [annotations.title]: manifest.name,
    [annotations.version]: manifest.version,
    [annotations.created]: new Date(manifest.provenance.epoch * 1000).toISOString().replace('.000Z', 'Z'),
    [annotations.baseName]: manifest.provenance.base,
    [annotations.flavor]: manifest.flavor,
    [annotations.flavorRelease]: manifest.flavorRelease,
    [annotations.variant]: manifest.variant,
    [annotations.model]: manifest.model,
  };
}

/** The container form: config and manifest over layers that are in the layout already. */
export function putContainerForm(
  layout: LayoutWriter,
  manifest: ImageManifest,
  layers: readonly ContainerLayer[],
): Descriptor {
  const notes = imageAnnotations(manifest);
  const created = notes[annotations.created];
  const config = layout.putJson(
    {
      created,
      architecture: manifest.architecture,
      os: 'linux',
      config: {
        Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
        Cmd: ['/bin/sh'],
        WorkingDir: '/',
        Labels: notes,
      },
      rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
      history: layers.map(({ createdBy }) => ({ created, created_by: createdBy })),
    },
    'application/vnd.oci.image.config.v1+json',
  );
  const descriptor = layout.putJson(
    {
      schemaVersion: 2,
      mediaType: mediaTypes.manifest,
      config,
      layers: layers.map((layer) => layer.descriptor),
      annotations: notes,
    },
    mediaTypes.manifest,
  );
  return {
    ...descriptor,
    platform: { architecture: manifest.architecture, os: 'linux' },
    annotations: { [annotations.form]: 'container', [annotations.refName]: manifest.version },
  };
}

/** The boot form: an artifact whose layers are the files of a slot. */
export function putBootForm(
  layout: LayoutWriter,
  manifest: ImageManifest,
  files: ReadonlyMap<string, Descriptor>,
): Descriptor {
  const empty = layout.putBlob(Buffer.from('{}'), mediaTypes.empty);
  const titled = (name: string, descriptor: Descriptor): Descriptor => ({
    ...descriptor,
    annotations: { [annotations.title]: name },
  });
  const record = layout.putBlob(Buffer.from(`${canonicalJson(manifest)}\n`), mediaTypes.bootFile);
  const descriptor = layout.putJson(
    {
      schemaVersion: 2,
      mediaType: mediaTypes.manifest,
      artifactType: mediaTypes.bootForm,
      config: empty,
      // The manifest comes first: whoever reads in order knows what follows.
      layers: [titled(slotFiles.manifest, record), ...[...files].map(([name, file]) => titled(name, file))],
      annotations: imageAnnotations(manifest),
    },
    mediaTypes.manifest,
  );
  return {
    ...descriptor,
    artifactType: mediaTypes.bootForm,
    platform: { architecture: manifest.architecture, os: 'linux' },
    annotations: { [annotations.form]: 'boot' },
  };
}

/** The digest that names a whole image: that of an index of its forms. */
export function imageDigest(forms: readonly Descriptor[]): string {
  return sha256Of(canonicalJson({ schemaVersion: 2, mediaType: mediaTypes.index, manifests: forms }));
}
