import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KairosError } from '@kairos/facts/errors';
import { mediaTypes } from '@kairos/facts/media-types';
import { openLayout } from './layout.ts';
import { createLayout, named } from './layout-writer.ts';
import type { Registry } from './registry.ts';
import { parsePublicKeys, verifySignature } from './signature.ts';

let folder: string;
let layouts = 0;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'signature-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const digest = `sha256:${'ab'.repeat(32)}`;
const other = `sha256:${'cd'.repeat(32)}`;
const pairs = {
  'P-256': generateKeyPairSync('ec', { namedCurve: 'prime256v1' }),
  ed25519: generateKeyPairSync('ed25519'),
  rsa: generateKeyPairSync('rsa', { modulusLength: 2048 }),
};
const stranger = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
const signed = (bytes: Buffer, key: KeyObject) =>
  sign(key.asymmetricKeyType === 'ed25519' ? null : 'sha256', bytes, key);
const payloadOf = (of: string, type = 'cosign container image signature') =>
  Buffer.from(JSON.stringify({ critical: { identity: {}, image: { 'docker-manifest-digest': of }, type } }));

/** A layout with a signature manifest under the name of a digest. */
function withSignatures(of: string, signatures: readonly { payload: Buffer; signature: string }[]) {
  const path = join(folder, String(layouts++));
  const writer = createLayout(path);
  const config = writer.putBlob(Buffer.from('{}'), mediaTypes.empty);
  const layers = signatures.map(({ payload, signature }) =>
    writer.putBlob(payload, 'application/vnd.dev.cosign.simplesigning.v1+json', {
      'dev.cosignproject.cosign/signature': signature,
    }),
  );
  const manifest = { schemaVersion: 2, mediaType: mediaTypes.manifest, config, layers };
  writer.writeIndex([named(writer.putJson(manifest, mediaTypes.manifest), `${of.replace(':', '-')}.sig`)]);
  return { name: 'the image', content: openLayout(path) };
}

describe.each(Object.entries(pairs))('%s', (_, { privateKey, publicKey }) => {
  const keys = parsePublicKeys(publicKey.export({ type: 'spki', format: 'pem' }).toString(), 'key');
  const right = {
    payload: payloadOf(digest),
    signature: signed(payloadOf(digest), privateKey).toString('base64'),
  };

  test('a signature by the key is right, whichever it is among others', async () => {
    const foreign = { ...right, signature: signed(right.payload, stranger.privateKey).toString('base64') };
    expect(await verifySignature(withSignatures(digest, [foreign, right]), [other, digest], keys)).toBe(
      digest,
    );
  });

  test.each<[string, { payload: Buffer; signature: string }]>([
    [
      'by another key',
      { ...right, signature: signed(right.payload, stranger.privateKey).toString('base64') },
    ],
    [
      'of another image',
      { payload: payloadOf(other), signature: signed(payloadOf(other), privateKey).toString('base64') },
    ],
    [
      'of another text',
      { payload: payloadOf(digest, 'atomic container signature'), signature: right.signature },
    ],
    [
      'of another kind',
      {
        payload: payloadOf(digest, 'a list of parts'),
        signature: signed(payloadOf(digest, 'a list of parts'), privateKey).toString('base64'),
      },
    ],
    ['that is none', { ...right, signature: 'AAAA' }],
    ['that is empty', { ...right, signature: '' }],
  ])('a signature %s is refused', async (_case, signature) => {
    await expect(verifySignature(withSignatures(digest, [signature]), [digest], keys)).rejects.toMatchObject({
      code: 'SIGNATURE_INVALID',
      exit: 'corruptSource',
      message: `the image (${digest}) has 1 signature, and none is by the key that is asked for`,
    });
  });

  test('a bundle counts as a signature only where it says so', async () => {
    const type = 'application/vnd.in-toto+json';
    const bundled = (predicateType: string, of = digest) => {
      const body = Buffer.from(
        JSON.stringify({ predicateType, subject: [{ digest: { sha256: of.slice('sha256:'.length) } }] }),
      );
      const envelope = Buffer.concat([Buffer.from(`DSSEv1 ${type.length} ${type} ${body.length} `), body]);
      const path = join(folder, String(layouts++));
      const writer = createLayout(path);
      const bundleType = 'application/vnd.dev.sigstore.bundle.v0.3+json';
      const layer = writer.putJson(
        {
          dsseEnvelope: {
            ...{ payload: body.toString('base64'), payloadType: type },
            signatures: [{ sig: signed(envelope, privateKey).toString('base64') }],
          },
        },
        bundleType,
      );
      const config = writer.putBlob(Buffer.from('{}'), mediaTypes.empty);
      const manifest = { schemaVersion: 2, mediaType: mediaTypes.manifest, config, layers: [layer] };
      const descriptor = writer.putJson(manifest, mediaTypes.manifest);
      writer.writeIndex([descriptor]);
      const content = openLayout(path);
      // Only what is asked of a registry for signatures.
      const missing = () =>
        Promise.reject(new KairosError('IMAGE_NOT_FOUND', 'no such tag', { exit: 'notFound' }));
      const foreign = {
        mediaType: 'application/vnd.oci.artifact.manifest.v1+json',
        digest: other,
        size: 1,
      };
      const registry = {
        ...content,
        sibling: () => ({ resolve: missing, ...content }),
        referrers: async () => [foreign, descriptor],
      } as unknown as Registry;
      return verifySignature({ name: 'the image', content, registry }, [digest], keys);
    };
    expect(await bundled('https://sigstore.dev/cosign/sign/v1')).toBe(digest);
    const refused = { code: 'SIGNATURE_INVALID' };
    await expect(bundled('https://spdx.dev/Document')).rejects.toMatchObject(refused);
    await expect(bundled('https://sigstore.dev/cosign/sign/v1', other)).rejects.toMatchObject(refused);
  });
});

test('no signature', async () => {
  const [{ publicKey }] = [pairs['P-256']];
  const keys = [publicKey];
  await expect(verifySignature(withSignatures(other, []), [digest], keys)).rejects.toMatchObject({
    code: 'SIGNATURE_MISSING',
    exit: 'unsuitableImage',
    message: `the image (${digest}) is not signed`,
  });
});

const pem = (key: KeyObject, type: 'spki' | 'pkcs8') => key.export({ type, format: 'pem' }).toString();
test.each<[string, string, RegExp]>([
  ['no PEM', 'x', /holds no PEM/],
  ['a private key', pem(stranger.privateKey, 'pkcs8'), /private key, which must not be on a node/],
  [
    'another curve',
    pem(generateKeyPairSync('ec', { namedCurve: 'secp384r1' }).publicKey, 'spki'),
    /secp384r1 is not supported/,
  ],
  [
    'a weak key',
    pem(generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey, 'spki'),
    /rsa 1024 is not supported/,
  ],
  ['a torn one', '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----', /is not a public key/],
])('%s is no key', (_, text, message) => {
  expect(() => parsePublicKeys(text, 'cosign.pub')).toThrow(message);
});

test('several keys in one file all count', () => {
  const both = `# ours\n${pem(pairs['P-256'].publicKey, 'spki')}\n${pem(pairs.ed25519.publicKey, 'spki')}`;
  expect(parsePublicKeys(both, 'cosign.pub').map((key) => key.asymmetricKeyType)).toEqual(['ec', 'ed25519']);
});
