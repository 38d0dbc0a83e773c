import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { isSystemError, KairosError, reasonOf } from '@kairos/facts/errors';
import { readOrdinary } from '@kairos/host/ordinary-file';
import { z } from 'zod';
import { type ContentSource, readIndex, readManifest } from './content.ts';
import type { Descriptor } from './descriptor.ts';
import { parseDigest, readWhole, shortDigest, verified } from './digest.ts';
import { readFileStream } from './file-stream.ts';
import { type ImageIndex, type Manifest, maximumDocument, parseIndex } from './manifest.ts';

const layoutFileSchema = z.object({ imageLayoutVersion: z.string().regex(/^1\./) });

/** An OCI image layout (image-spec 1.1, image-layout.md) in a directory. */
export interface Layout extends ContentSource {
  readonly path: string;
  /** `index.json`. */
  index(): ImageIndex;
  manifest(descriptor: Descriptor): Promise<Manifest>;
  nestedIndex(descriptor: Descriptor): Promise<ImageIndex>;
}

/** Where a layout keeps a blob, relative to its directory. */
export function blobPath(digest: string): string {
  const { algorithm, hex } = parseDigest(digest);
  return `blobs/${algorithm}/${hex}`;
}

/** True where a directory holds an `oci-layout` file. */
export function isLayout(path: string): boolean {
  return existsSync(join(path, 'oci-layout'));
}

/** Checks the text of an `oci-layout` file. @throws KairosError `LAYOUT_INVALID` */
export function checkLayoutFile(text: string, name: string): void {
  let reason = 'it does not say imageLayoutVersion 1';
  try {
    if (layoutFileSchema.safeParse(JSON.parse(text)).success) return;
  } catch (error) {
    reason = reasonOf(error);
  }
  throw new KairosError('LAYOUT_INVALID', `The oci-layout file of ${name} is not valid: ${reason}`, {
    exit: 'corruptSource',
  });
}

function blobMissing(name: string, { digest }: Descriptor, cause: unknown): KairosError {
  return new KairosError('BLOB_MISSING', `${name} does not hold blob ${shortDigest(digest)}`, {
    exit: 'corruptSource',
    details: { digest },
    cause,
  });
}

/**
 * Opens an image layout for reading.
 * @param name How the user named it, for messages; the path by default.
 * @throws KairosError `LAYOUT_NOT_FOUND`, `LAYOUT_INVALID`, `MANIFEST_INVALID`
 */
export function openLayout(path: string, name = path): Layout {
  const read = (file: string): Uint8Array => {
    try {
      return readOrdinary(join(path, file), maximumDocument, { exit: 'corruptSource' });
    } catch (error) {
      if (error instanceof KairosError) {
        throw new KairosError('LAYOUT_INVALID', error.message, { exit: 'corruptSource', cause: error });
      }
      if (!isSystemError(error, 'ENOENT', 'ENOTDIR')) throw error;
      throw new KairosError('LAYOUT_NOT_FOUND', `No OCI image layout at ${path}: ${file} is missing`, {
        exit: 'notFound',
        cause: error,
      });
    }
  };
  checkLayoutFile(Buffer.from(read('oci-layout')).toString('utf8'), name);
  const index = parseIndex(read('index.json'), name);

  async function* blob(descriptor: Descriptor): AsyncGenerator<Uint8Array> {
    try {
      yield* verified(readFileStream(join(path, blobPath(descriptor.digest))), descriptor, name);
    } catch (error) {
      if (!isSystemError(error, 'ENOENT')) throw error;
      throw blobMissing(name, descriptor, error);
    }
  }

  const layout: Layout = {
    name,
    path,
    index: () => index,
    roots: async () => index.manifests,
    document: (descriptor) => readWhole(blob(descriptor), maximumDocument, `A manifest in ${name}`),
    manifest: (descriptor) => readManifest(layout, descriptor),
    nestedIndex: (descriptor) => readIndex(layout, descriptor),
    blob,
    async *blobFrom(descriptor, offset) {
      try {
        yield* readFileStream(join(path, blobPath(descriptor.digest)), offset);
      } catch (error) {
        if (!isSystemError(error, 'ENOENT')) throw error;
        throw blobMissing(name, descriptor, error);
      }
    },
    blobFile: (descriptor) => join(path, blobPath(descriptor.digest)),
    close: () => undefined,
  };
  return layout;
}
