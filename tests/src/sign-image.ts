import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mediaTypes } from '@kairos/facts/media-types';
import type { Descriptor } from '@kairos/oci/descriptor';
import { createLayout, named } from '@kairos/oci/layout-writer';

function openssl(...argv: string[]): Buffer {
  const { exitCode, stdout, stderr } = Bun.spawnSync(['openssl', ...argv]);
  if (exitCode !== 0) throw new Error(`openssl ${argv[0]}: ${stderr}`);
  return stdout;
}

export interface SigningKey {
  /** File of the private key. */
  readonly secret: string;
  /** File of the public key. */
  readonly public: string;
}

/** A key pair as `cosign generate-key-pair` makes it (P-256), or of another kind, by openssl. */
export function makeKey(folder: string, name: string, kind: 'P-256' | 'ed25519' = 'P-256'): SigningKey {
  const key = { secret: join(folder, `${name}.key`), public: join(folder, `${name}.pub`) };
  openssl(
    ...['genpkey', '-out', key.secret, '-algorithm'],
    ...(kind === 'P-256' ? ['EC', '-pkeyopt', 'ec_paramgen_curve:P-256'] : ['ed25519']),
  );
  openssl('pkey', '-in', key.secret, '-pubout', '-out', key.public);
  return key;
}

/** A signature by openssl, as an independent program. */
export function signBytes(bytes: Uint8Array, key: SigningKey): Buffer {
  const folder = mkdtempSync(join(tmpdir(), 'sign-'));
  try {
    const file = join(folder, 'bytes');
    writeFileSync(file, bytes);
    const isEdwards = openssl('pkey', '-in', key.secret, '-noout', '-text').includes('ED25519');
    return isEdwards
      ? openssl('pkeyutl', '-sign', '-rawin', '-inkey', key.secret, '-in', file)
      : openssl('dgst', '-sha256', '-sign', key.secret, file);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What cosign signs: a document that names the digest of the image. */
export function simplePayload(digest: string): Buffer {
  return Buffer.from(
    JSON.stringify({
      critical: {
        identity: { 'docker-reference': 'example.org/kairos/os' },
        image: { 'docker-manifest-digest': digest },
        type: 'cosign container image signature',
      },
      optional: null,
    }),
  );
}

/** Writes a layout whose one image is a signature manifest in cosign's form. */
export function writeSignature(
  layout: string,
  digest: string,
  payload: Buffer,
  signature: Buffer,
): Descriptor {
  const writer = createLayout(layout);
  const layer = writer.putBlob(payload, 'application/vnd.dev.cosign.simplesigning.v1+json', {
    'dev.cosignproject.cosign/signature': signature.toString('base64'),
  });
  const config = writer.putJson(
    { architecture: '', os: '', rootfs: { type: 'layers', diff_ids: [layer.digest] }, config: {} },
    mediaTypes.config,
  );
  const manifest = named(
    writer.putJson(
      { schemaVersion: 2, mediaType: mediaTypes.manifest, config, layers: [layer] },
      mediaTypes.manifest,
    ),
    `${digest.replace(':', '-')}.sig`,
  );
  writer.writeIndex([manifest]);
  return manifest;
}

/** Writes a layout with a Sigstore bundle that refers to an image, and the index by which registries without referrers keep it. */
export function writeBundle(
  layout: string,
  digest: string,
  key: SigningKey,
  predicateType = 'https://sigstore.dev/cosign/sign/v1',
): void {
  const payloadType = 'application/vnd.in-toto+json';
  const [algorithm = '', hex = ''] = digest.split(':');
  const body = Buffer.from(
    JSON.stringify({
      _type: 'https://in-toto.io/Statement/v1',
      subject: [{ digest: { [algorithm]: hex } }],
      predicateType,
      predicate: {},
    }),
  );
  const signed = Buffer.concat([
    Buffer.from(`DSSEv1 ${payloadType.length} ${payloadType} ${body.length} `),
    body,
  ]);
  const bundleType = 'application/vnd.dev.sigstore.bundle.v0.3+json';
  const writer = createLayout(layout);
  const layer = writer.putJson(
    {
      mediaType: bundleType,
      verificationMaterial: { publicKey: { hint: '' } },
      dsseEnvelope: {
        payload: body.toString('base64'),
        payloadType,
        signatures: [{ sig: signBytes(signed, key).toString('base64') }],
      },
    },
    bundleType,
  );
  const config = writer.putBlob(Buffer.from('{}'), mediaTypes.empty);
  const manifest = writer.putJson(
    {
      schemaVersion: 2,
      mediaType: mediaTypes.manifest,
      artifactType: bundleType,
      config,
      layers: [layer],
    },
    mediaTypes.manifest,
  );
  writer.writeIndex([{ ...manifest, artifactType: bundleType }]);
}

export const publicKey = (key: SigningKey): string => readFileSync(key.public, 'utf8');
