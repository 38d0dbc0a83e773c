import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { KairosError, reasonOf } from '@kairos/facts/errors';
import { annotations } from '@kairos/facts/media-types';
import { z } from 'zod';
import { type ContentSource, readManifest } from './content.ts';
import type { Descriptor } from './descriptor.ts';
import { readWhole } from './digest.ts';
import { isManifestType } from './manifest.ts';
import type { Registry } from './registry.ts';

/*
 * Signatures of images as cosign makes them with a key, checked in this process:
 *
 * - "simple signing": a manifest under the tag `sha256-<hex>.sig` of the same repository, or one that refers to the image
 *   by `subject`, whose layers are documents that name the image's digest, each with a signature in an annotation
 *   (cosign, specs/SIGNATURE_SPEC.md);
 * - "bundles": a manifest that refers to the image and whose layer is a Sigstore bundle with a DSSE envelope around an
 *   in-toto statement about the image (cosign 3).
 */

const types = {
  simpleSigning: 'application/vnd.dev.cosign.simplesigning.v1+json',
  simpleSignatureArtifact: 'application/vnd.dev.cosign.artifact.sig.v1+json',
  bundle: /^application\/vnd\.dev\.sigstore\.bundle(?:\.v0\.3)?\+json/,
  inToto: 'application/vnd.in-toto+json',
} as const;
const signatureAnnotation = 'dev.cosignproject.cosign/signature';
/** What a bundle says of an image that is signed; anything else, such as a list of its parts, is no approval. */
const signPredicate = 'https://sigstore.dev/cosign/sign/v1';

const maximumDocument = 1024 * 1024;
const maximumSignatures = 100;

const simpleSchema = z.looseObject({
  critical: z.looseObject({
    type: z.enum(['cosign container image signature', 'atomic container signature']),
    image: z.looseObject({ 'docker-manifest-digest': z.string() }),
  }),
});
const bundleSchema = z.looseObject({
  dsseEnvelope: z.looseObject({
    payload: z.string(),
    payloadType: z.string(),
    signatures: z.array(z.looseObject({ sig: z.string() })).max(20),
  }),
});
const statementSchema = z.looseObject({
  predicateType: z.string(),
  subject: z.array(z.looseObject({ digest: z.record(z.string(), z.string()) })),
});

/**
 * Public keys in PEM, one after another: ECDSA on P-256, Ed25519 or RSA of 2048 bits and more.
 * @param from Names the file in messages.
 * @throws KairosError `SIGNATURE_KEY_INVALID`
 */
export function parsePublicKeys(pem: string, from: string): KeyObject[] {
  const invalid = (reason: string) =>
    new KairosError('SIGNATURE_KEY_INVALID', `${from} is not a public key: ${reason}`, {
      exit: 'invalidInput',
      hint: 'It has to be PEM, as cosign generate-key-pair writes it to cosign.pub',
    });
  const blocks = pem.match(/-----BEGIN ([A-Z ]+)-----[\s\S]*?-----END \1-----/g) ?? [];
  if (blocks.length === 0) throw invalid('it holds no PEM');
  return blocks.map((block) => {
    // A private key would be taken, too, and has no place on a node.
    if (block.includes('PRIVATE')) throw invalid('it is a private key, which must not be on a node');
    let key: KeyObject;
    try {
      key = createPublicKey(block);
    } catch (error) {
      throw invalid(reasonOf(error));
    }
    const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
    if (type === 'ec' && details?.namedCurve === 'prime256v1') return key;
    if (type === 'ed25519' || (type === 'rsa' && (details?.modulusLength ?? 0) >= 2048)) return key;
    throw invalid(`${type} ${details?.namedCurve ?? details?.modulusLength ?? ''} is not supported`);
  });
}

function isSignedBy(keys: readonly KeyObject[], bytes: Uint8Array, signature: Uint8Array): boolean {
  return keys.some((key) => {
    try {
      return verify(key.asymmetricKeyType === 'ed25519' ? null : 'sha256', bytes, key, signature);
    } catch {
      // A signature that is none of the key's kind.
      return false;
    }
  });
}

function parsed<T>(schema: z.ZodType<T>, bytes: Uint8Array | string): T | undefined {
  try {
    return schema.safeParse(
      JSON.parse(typeof bytes === 'string' ? bytes : Buffer.from(bytes).toString('utf8')),
    ).data;
  } catch {
    return undefined;
  }
}

/** Whether a document that was signed by one of the keys says that this digest is. */
function simpleSigns(keys: readonly KeyObject[], payload: Uint8Array, signature: string, digest: string) {
  if (!isSignedBy(keys, payload, Buffer.from(signature, 'base64'))) return false;
  return parsed(simpleSchema, payload)?.critical.image['docker-manifest-digest'] === digest;
}

/** The bytes that a DSSE envelope's signature is of (secure-systems-lab/dsse, protocol.md). */
function preAuthentication(type: string, body: Buffer): Buffer {
  const head = `DSSEv1 ${Buffer.byteLength(type)} ${type} ${body.length} `;
  return Buffer.concat([Buffer.from(head), body]);
}

function bundleSigns(keys: readonly KeyObject[], bundle: Uint8Array, digest: string): boolean {
  const envelope = parsed(bundleSchema, bundle)?.dsseEnvelope;
  if (envelope === undefined || envelope.payloadType !== types.inToto) return false;
  const body = Buffer.from(envelope.payload, 'base64');
  const signed = preAuthentication(envelope.payloadType, body);
  if (!envelope.signatures.some(({ sig }) => isSignedBy(keys, signed, Buffer.from(sig, 'base64'))))
    return false;
  const statement = parsed(statementSchema, body);
  const [algorithm = '', hex] = digest.split(':');
  return (
    statement?.predicateType === signPredicate &&
    statement.subject.some((subject) => subject.digest[algorithm] === hex)
  );
}

/** A manifest with signatures, and what it can be read from. */
interface SignatureManifest {
  readonly content: ContentSource;
  readonly descriptor: Descriptor;
}

const signatureTag = (digest: string) => `${digest.replace(':', '-')}.sig`;

async function inRegistry(registry: Registry, digest: string): Promise<SignatureManifest[]> {
  const found: SignatureManifest[] = [];
  const tagged = registry.sibling({ tag: signatureTag(digest) });
  try {
    found.push({ content: tagged, descriptor: await tagged.resolve() });
  } catch (error) {
    if (!(error instanceof KairosError) || error.code !== 'IMAGE_NOT_FOUND') throw error;
  }
  for (const descriptor of await registry.referrers(digest)) {
    // Other tools refer to images by documents of their own, which are none for this reader.
    if (isManifestType(descriptor.mediaType)) found.push({ content: registry, descriptor });
  }
  return found;
}

/** In a layout, signatures are beside the image, by their tag as name (`cosign save`, `skopeo copy`). */
async function inLayout(content: ContentSource, digest: string): Promise<SignatureManifest[]> {
  return (await content.roots())
    .filter(({ annotations: notes, mediaType }) => {
      const name = notes?.[annotations.refName] ?? '';
      return (
        isManifestType(mediaType) &&
        (name === signatureTag(digest) || name.endsWith(`:${signatureTag(digest)}`))
      );
    })
    .map((descriptor) => ({ content, descriptor }));
}

async function signs(
  { content, descriptor }: SignatureManifest,
  keys: readonly KeyObject[],
  digest: string,
): Promise<{ readonly valid: boolean; readonly signatures: number }> {
  const { layers } = await readManifest(content, descriptor);
  let signatures = 0;
  for (const layer of layers.slice(0, maximumSignatures)) {
    const isBundle = types.bundle.test(layer.mediaType);
    const signature = layer.annotations?.[signatureAnnotation];
    if (!isBundle && (layer.mediaType !== types.simpleSigning || signature === undefined)) continue;
    if (layer.size > maximumDocument) continue;
    signatures++;
    const bytes = await readWhole(content.blob(layer), maximumDocument, 'A signature');
    const valid = isBundle
      ? bundleSigns(keys, bytes, digest)
      : simpleSigns(keys, bytes, signature ?? '', digest);
    if (valid) return { valid, signatures };
  }
  return { valid: false, signatures };
}

/**
 * Checks that one of some digests, each of which stands for the whole image, is signed by one of the keys. Gives the
 * digest that is.
 * @param source The image: signatures are looked for where it is.
 * @throws KairosError `SIGNATURE_MISSING`, `SIGNATURE_INVALID`, and what the source throws
 */
export async function verifySignature(
  source: {
    readonly name: string;
    readonly content: ContentSource;
    readonly registry?: Registry | undefined;
  },
  digests: readonly string[],
  keys: readonly KeyObject[],
): Promise<string> {
  let signatures = 0;
  for (const digest of new Set(digests)) {
    const found =
      source.registry === undefined
        ? await inLayout(source.content, digest)
        : await inRegistry(source.registry, digest);
    for (const manifest of found.slice(0, maximumSignatures)) {
      const result = await signs(manifest, keys, digest);
      if (result.valid) return digest;
      signatures += result.signatures;
    }
  }
  const [first = ''] = digests;
  if (signatures === 0) {
    throw new KairosError('SIGNATURE_MISSING', `${source.name} (${first}) is not signed`, {
      exit: 'unsuitableImage',
      hint: 'Sign it, for example with cosign sign --key cosign.key, or use an image that is',
    });
  }
  throw new KairosError(
    'SIGNATURE_INVALID',
    `${source.name} (${first}) has ${signatures} signature${signatures === 1 ? '' : 's'}, and none is by the key that is asked for`,
    {
      exit: 'corruptSource',
      hint: 'The image was signed by somebody else or changed afterwards; do not use it until you know which',
    },
  );
}
