import { KairosError } from '@kairos/facts/errors';
import { mediaTypes } from '@kairos/facts/media-types';
import { z } from 'zod';
import { type ArchiveFiles, indexArchive } from './archive-index.ts';
import { canonicalJson } from './canonical-json.ts';
import type { ContentSource } from './content.ts';
import { compressionOf } from './decompress.ts';
import type { Descriptor } from './descriptor.ts';
import { hasherFor, readWhole, sha256Of, shortDigest, verified } from './digest.ts';
import { blobPath, checkLayoutFile } from './layout.ts';
import { maximumDocument, parseImageConfig, parseIndex } from './manifest.ts';

export type ArchiveKind = 'oci' | 'docker';

const dockerManifestSchema = z
  .array(
    z.object({ Config: z.string(), RepoTags: z.array(z.string()).nullish(), Layers: z.array(z.string()) }),
  )
  .min(1);

function missing(name: string, descriptor: Descriptor): KairosError {
  return new KairosError('BLOB_MISSING', `${name} does not hold blob ${shortDigest(descriptor.digest)}`, {
    exit: 'corruptSource',
    details: { digest: descriptor.digest },
  });
}

async function ociArchive(files: ArchiveFiles, name: string): Promise<ContentSource> {
  const read = (file: string) => readWhole(files.read(file), maximumDocument, `${file} of ${name}`);
  checkLayoutFile(Buffer.from(await read('oci-layout')).toString('utf8'), name);
  const index = parseIndex(await read('index.json'), name);
  async function* blob(descriptor: Descriptor): AsyncGenerator<Uint8Array> {
    const file = blobPath(descriptor.digest);
    if (files.size(file) === undefined) throw missing(name, descriptor);
    yield* verified(files.read(file), descriptor, name);
  }
  return {
    name,
    roots: async () => index.manifests,
    document: (descriptor) => readWhole(blob(descriptor), maximumDocument, `A manifest in ${name}`),
    blob,
    close: () => files.close(),
  };
}

/**
 * What `docker save` writes: configuration and layers by file name, no manifest. One is made, in which a layer that is
 * not compressed has its diff id for digest.
 */
async function dockerArchive(files: ArchiveFiles, name: string): Promise<ContentSource> {
  const read = (file: string) => readWhole(files.read(file), maximumDocument, `${file} of ${name}`);
  const invalid = (reason: string) =>
    new KairosError('ARCHIVE_INVALID', `The manifest.json of ${name} is not valid: ${reason}`, {
      exit: 'corruptSource',
    });
  let listed: z.infer<typeof dockerManifestSchema>;
  try {
    listed = dockerManifestSchema.parse(
      JSON.parse(Buffer.from(await read('manifest.json')).toString('utf8')),
    );
  } catch (error) {
    if (error instanceof KairosError) throw error;
    throw invalid(error instanceof z.ZodError ? (error.issues[0]?.message ?? '') : String(error));
  }
  const documents = new Map<string, Uint8Array>();
  const blobs = new Map<string, string>();
  const roots: Descriptor[] = [];
  for (const image of listed) {
    const configBytes = await read(image.Config);
    const config = parseImageConfig(configBytes, name);
    if (config.diffIds.length !== image.Layers.length) {
      throw invalid(`${image.Layers.length} layers, and ${config.diffIds.length} in the configuration`);
    }
    const layers: Descriptor[] = [];
    for (const [index, file] of image.Layers.entries()) {
      const size = files.size(file);
      if (size === undefined) throw invalid(`the layer ${file} is not there`);
      const compression = compressionOf(await readWhole(files.read(file, 6), 6, file));
      let digest = config.diffIds[index] ?? '';
      if (compression !== 'none') {
        const hash = hasherFor(digest);
        for await (const chunk of files.read(file)) hash.update(chunk);
        digest = `${digest.split(':')[0]}:${hash.digest('hex')}`;
      }
      const mediaType =
        compression === 'gzip'
          ? mediaTypes.layerGzip
          : compression === 'zstd'
            ? mediaTypes.layerZstd
            : mediaTypes.layer;
      layers.push({ mediaType, digest, size });
      blobs.set(digest, file);
    }
    const configDescriptor = {
      mediaType: mediaTypes.config,
      digest: sha256Of(configBytes),
      size: configBytes.length,
    };
    blobs.set(configDescriptor.digest, image.Config);
    const manifest = Buffer.from(
      canonicalJson({ schemaVersion: 2, mediaType: mediaTypes.manifest, config: configDescriptor, layers }),
    );
    const root = {
      mediaType: mediaTypes.manifest,
      digest: sha256Of(manifest),
      size: manifest.length,
      platform: { architecture: config.architecture, os: config.os },
    };
    documents.set(root.digest, manifest);
    const tags = image.RepoTags ?? [];
    if (tags.length === 0) roots.push(root);
    for (const tag of tags)
      roots.push({ ...root, annotations: { 'org.opencontainers.image.ref.name': tag } });
  }
  return {
    name,
    roots: async () => roots,
    async document(descriptor) {
      const bytes = documents.get(descriptor.digest);
      if (bytes === undefined) throw missing(name, descriptor);
      return bytes;
    },
    async *blob(descriptor) {
      const file = blobs.get(descriptor.digest);
      if (file === undefined) throw missing(name, descriptor);
      yield* verified(files.read(file), descriptor, name);
    },
    close: () => files.close(),
  };
}

/**
 * Opens a tar archive of an OCI layout, or one that `docker save` wrote, and reads blobs where they lie in it. What
 * newer Dockers save is both; the layout in it says more.
 * @param kind Only this kind is taken; either by default.
 * @throws KairosError `ARCHIVE_NOT_FOUND`, `ARCHIVE_INVALID`, `LAYOUT_INVALID`, `MANIFEST_INVALID`, `TAR_*`
 */
export async function openArchive(path: string, name = path, kind?: ArchiveKind): Promise<ContentSource> {
  const files = await indexArchive(path, name);
  try {
    const has = {
      oci: files.size('oci-layout') !== undefined && files.size('index.json') !== undefined,
      docker: files.size('manifest.json') !== undefined,
    };
    if (has.oci && kind !== 'docker') return await ociArchive(files, name);
    if (has.docker && kind !== 'oci') return await dockerArchive(files, name);
    const other: Partial<Record<ArchiveKind, string>> = { oci: 'docker-archive:', docker: 'oci-archive:' };
    const usable = kind !== undefined && (has.oci || has.docker) ? other[kind] : undefined;
    throw new KairosError(
      'ARCHIVE_INVALID',
      `${name} is not an archive of ${kind === undefined ? 'an image' : `the ${kind} kind`}`,
      {
        exit: 'corruptSource',
        ...(usable === undefined ? {} : { hint: `It is one for ${usable}` }),
      },
    );
  } catch (error) {
    files.close();
    throw error;
  }
}
