import { KairosError } from '@kairos/facts/errors';
import type { Descriptor } from './descriptor.ts';
import { readWhole } from './digest.ts';
import {
  type ImageConfig,
  type ImageIndex,
  isIndexType,
  isManifestType,
  type Manifest,
  maximumDocument,
  parseImageConfig,
  parseIndex,
  parseManifest,
} from './manifest.ts';

/** Anything that can give manifests and blobs by descriptor: a layout, an archive, a registry. */
export interface ContentSource {
  /** For messages: the source as the user named it. Holds no credentials. */
  readonly name: string;
  /** The descriptors that the source starts from: the entries of a layout's `index.json`, the manifest of a tag. */
  roots(): Promise<readonly Descriptor[]>;
  /**
   * A manifest or an index, whole and checked against its digest.
   * @throws KairosError `BLOB_MISSING`, `BLOB_TRUNCATED`, `DIGEST_MISMATCH`
   */
  document(descriptor: Descriptor): Promise<Uint8Array>;
  /**
   * The bytes of a blob, size and digest checked: the last chunk is given only when the whole is right.
   * @throws KairosError `BLOB_MISSING`, `BLOB_TRUNCATED`, `DIGEST_MISMATCH`
   */
  blob(descriptor: Descriptor): AsyncIterable<Uint8Array>;
  /**
   * The bytes of a blob from `offset` on, not checked. A chunk is valid until the next one is asked for.
   * @throws KairosError `BLOB_MISSING`, and what the source throws
   */
  blobFrom?(descriptor: Descriptor, offset: number): AsyncIterable<Uint8Array>;
  /** Where a blob lies as a file of its own, its content not checked. */
  blobFile?(descriptor: Descriptor): string | undefined;
  /** Gives back files and connections. */
  close(): void;
}

/** A manifest with the descriptor that led to it. */
export interface FoundManifest {
  readonly descriptor: Descriptor;
  readonly manifest: Manifest;
}

/** Indexes may hold indexes; deeper than this nobody nests, except to exhaust a reader. */
const maximumDepth = 4;
const maximumDescriptors = 1000;

export async function readManifest(source: ContentSource, descriptor: Descriptor): Promise<Manifest> {
  return parseManifest(await source.document(descriptor), source.name);
}

export async function readIndex(source: ContentSource, descriptor: Descriptor): Promise<ImageIndex> {
  return parseIndex(await source.document(descriptor), source.name);
}

/** @throws KairosError `MANIFEST_INVALID`, `BLOB_TOO_LARGE`, and what the source throws */
export async function readImageConfig(source: ContentSource, manifest: Manifest): Promise<ImageConfig> {
  const bytes = await readWhole(
    source.blob(manifest.config),
    maximumDocument,
    `The image configuration in ${source.name}`,
  );
  return parseImageConfig(bytes, source.name);
}

/**
 * Descriptors of every manifest that the source's roots lead to, indexes opened, in their order. What is neither
 * manifest nor index is passed over, as the image-spec asks.
 * @throws KairosError `INDEX_TOO_DEEP`, and what the source throws
 */
export async function listManifests(source: ContentSource): Promise<Descriptor[]> {
  const found: Descriptor[] = [];
  let seen = 0;
  const visit = async (descriptors: readonly Descriptor[], depth: number): Promise<void> => {
    seen += descriptors.length;
    if (depth > maximumDepth || seen > maximumDescriptors) {
      throw new KairosError(
        'INDEX_TOO_DEEP',
        `The image index of ${source.name} is nested more than ${maximumDepth} deep or holds more than ${maximumDescriptors} descriptors`,
        { exit: 'corruptSource' },
      );
    }
    for (const descriptor of descriptors) {
      if (isManifestType(descriptor.mediaType)) found.push(descriptor);
      else if (isIndexType(descriptor.mediaType)) {
        await visit((await readIndex(source, descriptor)).manifests, depth + 1);
      }
    }
  };
  await visit(await source.roots(), 0);
  return found;
}
