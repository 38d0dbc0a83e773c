import { afterEach, beforeEach, expect, test } from 'bun:test';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ImageManifest } from '@kairos/facts/image-manifest';
import { mediaTypes } from '@kairos/facts/media-types';
import { slotFiles } from '@kairos/facts/slot';
import { bootFormFromManifest } from './boot-form-content.ts';
import { bootFormFromDirectory } from './boot-form-directory.ts';
import { openLayout } from './layout.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'boot-form-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const digestOf = (bytes: string) => createHash('sha256').update(bytes).digest('hex');

/** Each file holds its own name. */
const names = Object.values(slotFiles).filter((name) => name !== slotFiles.manifest);

const imageManifest = {
  schemaVersion: 1,
  ...{ name: 'kairos-core-tiny-1', version: 'v1', architecture: 'amd64', flavor: 'tiny', flavorRelease: '1' },
  ...{ variant: 'core', model: 'generic', kernel: '6.0.0', init: 'systemd', filesystem: 'erofs' },
  verity: {
    ...{ rootHash: 'a'.repeat(64), salt: '', algorithm: 'sha256', blockSize: 4096 },
    ...{ dataBlocks: 1, hashStartBlock: 1 },
  },
  files: Object.fromEntries(
    names.map((name) => [name, { size: name.length, digest: `sha256:${digestOf(name)}` }]),
  ),
  provenance: { base: 'none', inputs: `sha256:${'0'.repeat(64)}`, builder: 'test', epoch: 0 },
} satisfies ImageManifest;

test('a file of a directory lies where it is', () => {
  for (const name of names) writeFileSync(join(folder, name), name);
  writeFileSync(join(folder, 'image.json'), JSON.stringify(imageManifest));
  const form = bootFormFromDirectory(folder);
  expect(form.path?.('root.img')).toBe(join(folder, 'root.img'));
  expect(form.path?.('image.json')).toBe(join(folder, 'image.json'));
  expect(form.path?.('../passwd')).toBeUndefined();
});

test('a file of a layout is a blob', async () => {
  mkdirSync(join(folder, 'blobs/sha256'), { recursive: true });
  const blob = (content: string) => {
    const hex = digestOf(content);
    writeFileSync(join(folder, 'blobs/sha256', hex), content);
    return { digest: `sha256:${hex}`, size: content.length };
  };
  const layer = (name: string, content: string) => ({
    mediaType: mediaTypes.bootFile,
    ...blob(content),
    annotations: { 'org.opencontainers.image.title': name },
  });
  const manifest = {
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    artifactType: mediaTypes.bootForm,
    config: { mediaType: mediaTypes.empty, ...blob('{}') },
    layers: [...names.map((name) => layer(name, name)), layer('image.json', JSON.stringify(imageManifest))],
  };
  const descriptor = { mediaType: mediaTypes.manifest, ...blob(JSON.stringify(manifest)) };
  writeFileSync(join(folder, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  writeFileSync(join(folder, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [descriptor] }));

  const form = await bootFormFromManifest(openLayout(folder), descriptor);
  expect(readFileSync(form.path?.('root.img') ?? '', 'utf8')).toBe('root.img');
  expect(form.path?.('nothing')).toBeUndefined();
});
