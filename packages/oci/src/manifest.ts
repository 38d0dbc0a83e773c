import { KairosError } from '@kairos/facts/errors';
import { mediaTypes } from '@kairos/facts/media-types';
import { z } from 'zod';
import type { Descriptor } from './descriptor.ts';
import { isDigest } from './digest.ts';

/** Registries refuse manifests above 4 MiB (distribution-spec, "Pushing Manifests"); so does this reader. */
export const maximumDocument = 4 * 1024 * 1024;

const annotationsSchema = z.record(z.string(), z.string());
const descriptorSchema = z.object({
  mediaType: z.string().min(1),
  digest: z.string().refine(isDigest, 'expected sha256: or sha512: and hexadecimal digits'),
  size: z.int().nonnegative(),
  annotations: annotationsSchema.nullish(),
  artifactType: z.string().optional(),
  platform: z.object({ architecture: z.string(), os: z.string(), variant: z.string().optional() }).optional(),
});

/** An image index (image-spec, image-index.md), or Docker's manifest list, which has the same members. */
export interface ImageIndex {
  readonly mediaType: string;
  readonly manifests: readonly Descriptor[];
  readonly annotations: Readonly<Record<string, string>>;
}

/** An image manifest (image-spec, manifest.md), or Docker's schema 2. */
export interface Manifest {
  readonly mediaType: string;
  readonly artifactType?: string;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly annotations: Readonly<Record<string, string>>;
}

/** As much of an image configuration (image-spec, config.md) as is acted on; the rest is kept in `document`. */
export interface ImageConfig {
  readonly architecture: string;
  readonly os: string;
  readonly variant?: string;
  readonly created?: string;
  /** Digests of the layers' uncompressed tar streams, lowest first. */
  readonly diffIds: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  /** The whole document as parsed. */
  readonly document: Readonly<Record<string, unknown>>;
}

const indexSchema = z.object({
  schemaVersion: z.literal(2),
  mediaType: z.string().optional(),
  manifests: z.array(descriptorSchema),
  annotations: annotationsSchema.nullish(),
});
const manifestSchema = z.object({
  schemaVersion: z.literal(2),
  mediaType: z.string().optional(),
  artifactType: z.string().optional(),
  config: descriptorSchema,
  layers: z.array(descriptorSchema),
  annotations: annotationsSchema.nullish(),
});
const configSchema = z.looseObject({
  architecture: z.string().default(''),
  os: z.string().default(''),
  variant: z.string().optional(),
  created: z.string().nullish(),
  rootfs: z.object({ type: z.literal('layers'), diff_ids: z.array(z.string().refine(isDigest)).nullable() }),
  config: z.looseObject({ Labels: z.record(z.string(), z.string()).nullish() }).nullish(),
});

function withoutUndefined<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as T;
}

function toDescriptor(parsed: z.infer<typeof descriptorSchema>): Descriptor {
  const { mediaType, digest, size, annotations, artifactType, platform } = parsed;
  return withoutUndefined({
    mediaType,
    digest,
    size,
    annotations: annotations ?? undefined,
    artifactType,
    platform: platform && withoutUndefined(platform),
  }) as Descriptor;
}

function parse<T>(schema: z.ZodType<T>, bytes: Uint8Array, what: string, from: string): T {
  let reason: string;
  let document: unknown;
  try {
    if (bytes.length > maximumDocument) throw new Error(`it has ${bytes.length} bytes, more than 4 MiB`);
    document = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    const result = schema.safeParse(document);
    if (result.success) return result.data;
    const [issue] = result.error.issues;
    const path = issue?.path.map(String).join('.') ?? '';
    reason = `${path === '' ? 'the document' : path}: ${issue?.message ?? 'invalid'}`;
    if (typeof document === 'object' && document !== null && 'schemaVersion' in document) {
      if (document.schemaVersion === 1) reason = 'it is a Docker schema 1 manifest, which is too old';
    }
  } catch (error) {
    reason = error instanceof Error ? error.message : String(error);
  }
  throw new KairosError('MANIFEST_INVALID', `Not ${what} in ${from}: ${reason}`, { exit: 'corruptSource' });
}

/** @throws KairosError `MANIFEST_INVALID` */
export function parseIndex(bytes: Uint8Array, from: string): ImageIndex {
  const parsed = parse(indexSchema, bytes, 'an image index', from);
  return {
    mediaType: parsed.mediaType ?? mediaTypes.index,
    manifests: parsed.manifests.map(toDescriptor),
    annotations: parsed.annotations ?? {},
  };
}

/** @throws KairosError `MANIFEST_INVALID` */
export function parseManifest(bytes: Uint8Array, from: string): Manifest {
  const parsed = parse(manifestSchema, bytes, 'an image manifest', from);
  return withoutUndefined({
    mediaType: parsed.mediaType ?? mediaTypes.manifest,
    artifactType: parsed.artifactType,
    config: toDescriptor(parsed.config),
    layers: parsed.layers.map(toDescriptor),
    annotations: parsed.annotations ?? {},
  }) as Manifest;
}

/** @throws KairosError `MANIFEST_INVALID` */
export function parseImageConfig(bytes: Uint8Array, from: string): ImageConfig {
  const parsed = parse(configSchema, bytes, 'an image configuration', from);
  return withoutUndefined({
    architecture: parsed.architecture,
    os: parsed.os,
    variant: parsed.variant,
    created: parsed.created ?? undefined,
    diffIds: parsed.rootfs.diff_ids ?? [],
    labels: parsed.config?.Labels ?? {},
    document: parsed,
  }) as ImageConfig;
}

export function isIndexType(mediaType: string): boolean {
  return mediaType === mediaTypes.index || mediaType === mediaTypes.dockerIndex;
}

export function isManifestType(mediaType: string): boolean {
  return mediaType === mediaTypes.manifest || mediaType === mediaTypes.dockerManifest;
}
