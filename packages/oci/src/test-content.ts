/** Content for tests: a source in memory, blobs with their descriptors, an OS image in its two forms. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Architecture } from '@kairos/facts/architecture';
import { KairosError } from '@kairos/facts/errors';
import type { ImageManifest } from '@kairos/facts/image-manifest';
import { annotations, mediaTypes } from '@kairos/facts/media-types';
import { canonicalJson } from './canonical-json.ts';
import type { Descriptor } from './descriptor.ts';
import { sha256Of } from './digest.ts';
import type { LayoutWriter } from './layout-writer.ts';

export function describe(bytes: Uint8Array | string, mediaType = 'application/octet-stream'): Descriptor {
  return { mediaType, digest: sha256Of(bytes), size: Buffer.byteLength(bytes) };
}

export async function* streamOf(...chunks: (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield Buffer.from(chunk as string);
}

export async function collect(stream: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(Uint8Array.from(chunk));
  return Buffer.concat(chunks).toString('latin1');
}

/** Code and message of the KairosError that a promise fails with. */
export async function failure(promise: Promise<unknown>): Promise<[string, string]> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof KairosError) return [error.code, error.message];
    throw error;
  }
  throw new Error('expected a KairosError');
}

export const slotContents: Readonly<Record<string, string>> = {
  'root.img': 'root file system',
  vmlinuz: 'kernel',
  initrd: 'initrd',
  cmdline: 'console=ttyS0',
};

export function imageManifest(architecture: Architecture = 'amd64'): ImageManifest {
  const files = Object.fromEntries(
    Object.entries(slotContents).map(([name, content]) => {
      const { size, digest } = describe(content);
      return [name, { size, digest }];
    }),
  );
  return {
    schemaVersion: 1,
    name: 'kairos-core-debian-13',
    version: '1.0.0',
    architecture,
    flavor: 'debian',
    flavorRelease: '13',
    variant: 'core',
    model: 'generic',
    kernel: '6.12.0',
    init: 'systemd',
    filesystem: 'erofs',
    verity: {
      rootHash: 'a'.repeat(64),
      salt: '',
      algorithm: 'sha256',
      blockSize: 4096,
      dataBlocks: 1,
      hashStartBlock: 2,
    },
    files,
    provenance: { base: 'debian:13', inputs: `sha256:${'0'.repeat(64)}`, builder: 'test', epoch: 0 },
  };
}

/** A directory with the files of a slot. */
export function writeSlot(path: string, manifest: ImageManifest = imageManifest()): void {
  mkdirSync(path, { recursive: true });
  for (const [name, content] of Object.entries(slotContents)) writeFileSync(join(path, name), content);
  writeFileSync(join(path, 'image.json'), canonicalJson(manifest));
}

/** Puts the boot form of an image into a layout. */
export function putBootForm(
  layout: LayoutWriter,
  architecture: Architecture = 'amd64',
  manifest: ImageManifest = imageManifest(architecture),
): Descriptor {
  const files = { ...slotContents, 'image.json': canonicalJson(manifest) };
  const layers = Object.entries(files).map(([name, content]) =>
    layout.putBlob(Buffer.from(content), mediaTypes.bootFile, { [annotations.title]: name }),
  );
  const config = layout.putBlob(Buffer.from('{}'), mediaTypes.empty);
  const descriptor = layout.putJson(
    { schemaVersion: 2, mediaType: mediaTypes.manifest, artifactType: mediaTypes.bootForm, config, layers },
    mediaTypes.manifest,
    { [annotations.form]: 'boot' },
  );
  return { ...descriptor, artifactType: mediaTypes.bootForm, platform: { architecture, os: 'linux' } };
}

/** Puts an image of plain layers into a layout. */
export function putContainer(
  layout: LayoutWriter,
  layers: readonly Uint8Array[],
  architecture: Architecture = 'amd64',
): Descriptor {
  const config = layout.putJson(
    {
      architecture,
      os: 'linux',
      rootfs: { type: 'layers', diff_ids: layers.map(sha256Of) },
      config: { Labels: { a: 'b' } },
    },
    mediaTypes.config,
  );
  const descriptor = layout.putJson(
    {
      schemaVersion: 2,
      mediaType: mediaTypes.manifest,
      config,
      layers: layers.map((layer) => layout.putBlob(layer, mediaTypes.layer)),
    },
    mediaTypes.manifest,
    { [annotations.form]: 'container' },
  );
  return { ...descriptor, platform: { architecture, os: 'linux' } };
}
