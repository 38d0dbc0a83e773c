import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openLayout } from '@kairos/oci/layout';
import { parseReference } from '@kairos/oci/reference';
import { openRegistry } from '@kairos/oci/registry';
import { errorOf } from '../src/error-of.ts';
import { slotsOf } from '../src/installed-node.ts';
import {
  makeKey,
  type SigningKey,
  signBytes,
  simplePayload,
  writeBundle,
  writeSignature,
} from '../src/sign-image.ts';
import { before, UpgradableNode, upgraded } from '../src/upgradable-node.ts';

setDefaultTimeout(120_000);

const node = new UpgradableNode('upgrade-signature');
const { registry } = node;

describe('signatures', () => {
  const configuration = '/run/initramfs/live/91_signature.yaml';
  let key: SigningKey;
  const want = (text: string) => {
    mkdirSync('/run/initramfs/live', { recursive: true });
    writeFileSync(configuration, `#cloud-config\n${text}\n`);
  };
  beforeEach(() => {
    key = makeKey(node.folder, 'cosign');
    want(`verify: true\ncosign-key: ${key.public}`);
  });
  afterEach(() => rmSync(configuration, { force: true }));
  const reference = (name: string) => `oci:${registry.address}/${name}`;
  /** Pushes the image under a name of its own; gives the digest that the tag stands for. */
  async function pushed(name: string): Promise<string> {
    await registry.push(node.second.layout, name);
    const found = openRegistry(parseReference(`${registry.address}/${name}`));
    try {
      return (await found.resolve()).digest;
    } finally {
      found.close();
    }
  }
  async function signed(name: string, by: SigningKey): Promise<void> {
    const digest = await pushed(`${name}:v2`);
    const payload = simplePayload(digest);
    const layout = join(node.folder, `signature-${by.public.split('/').at(-1)}`);
    writeSignature(layout, digest, payload, signBytes(payload, by));
    await registry.push(layout, `${name}:${digest.replace(':', '-')}.sig`);
  }

  test('none is refused before anything is written', async () => {
    await pushed('unsigned/os:v2');
    const error = await errorOf(node.upgrade(reference('unsigned/os:v2')));
    expect([error.code, error.exitCode]).toEqual(['SIGNATURE_MISSING', 13]);
    expect(slotsOf(node.disk)).toEqual(before);
    const local = await errorOf(node.upgrade(`dir:${node.second.slot}`));
    expect(local.code).toBe('SIGNATURE_MISSING');
  });

  test.each(['P-256', 'ed25519'] as const)('one by the key, %s, lets it pass', async (kind) => {
    key = makeKey(node.folder, 'cosign', kind);
    await signed(`signed-${kind.toLowerCase().replace('-', '')}/os`, key);
    await node.upgrade(reference(`signed-${kind.toLowerCase().replace('-', '')}/os:v2`));
    expect(slotsOf(node.disk)).toEqual(upgraded);
  });

  test('one by another key is refused', async () => {
    await signed('foreign/os', makeKey(node.folder, 'foreign'));
    const error = await errorOf(node.upgrade(reference('foreign/os:v2')));
    expect([error.code, error.exitCode]).toEqual(['SIGNATURE_INVALID', 12]);
    expect(slotsOf(node.disk)).toEqual(before);
  });

  test('a bundle that refers to the image, in a registry that does not list referrers', async () => {
    const digest = await pushed('bundle/os:v2');
    const layout = join(node.folder, 'bundle');
    writeBundle(layout, digest, key);
    // The tag of the referrers holds an index.
    const [descriptor] = openLayout(layout).index().manifests;
    const index = JSON.stringify({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.index.v1+json',
      manifests: [descriptor],
    });
    await registry.push(layout, 'bundle/os:manifest');
    const put = await fetch(`http://${registry.address}/v2/bundle/os/manifests/${digest.replace(':', '-')}`, {
      method: 'PUT',
      headers: { 'content-type': 'application/vnd.oci.image.index.v1+json' },
      body: index,
    });
    expect(put.status).toBe(201);
    await node.upgrade(reference('bundle/os:v2'));
    expect(slotsOf(node.disk)).toEqual(upgraded);
  });

  test.each<[string, string, number]>([
    ['verify: true', 'SIGNATURE_KEY_MISSING', 10],
    ['cosign-key: /nowhere/cosign.pub', 'SIGNATURE_KEY_MISSING', 11],
    ['cosign-key: awskms://key', 'SIGNATURE_KEY_INVALID', 10],
    ['cosign-key: /etc/hostname', 'SIGNATURE_KEY_INVALID', 10],
  ])('%s is refused', async (text, code, exit) => {
    want(text);
    const error = await errorOf(node.upgrade(reference('kairos/os:v2')));
    expect([error.code, error.exitCode]).toEqual([code, exit]);
  });
});
