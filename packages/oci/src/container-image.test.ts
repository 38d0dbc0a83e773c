import { afterEach, beforeEach, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { mediaTypes } from '@kairos/facts/media-types';
import { findContainerImage, unpackImage } from './container-image.ts';
import type { Descriptor } from './descriptor.ts';
import { readWhole, sha256Of } from './digest.ts';
import { openLayout } from './layout.ts';
import { createLayout, type LayoutWriter } from './layout-writer.ts';
import { writeTar } from './tar-write.ts';
import { failure, putBootForm, putContainer } from './test-content.ts';

let folder: string;
let root: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'container-'));
  root = join(folder, 'root');
  mkdirSync(root);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const owner = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
const layer = (path: string, content: string) =>
  readWhole(
    writeTar([
      {
        path,
        type: 'file',
        mode: 0o644,
        modified: 0,
        ...owner,
        size: content.length,
        content: Buffer.from(content),
      },
    ]),
    1 << 20,
    'tar',
  );

function layoutWith(put: (writer: LayoutWriter) => Descriptor[]) {
  const writer = createLayout(join(folder, 'image'));
  writer.writeIndex(put(writer));
  return openLayout(join(folder, 'image'), 'oci:image');
}

test('the image for an architecture is found, whatever lies beside it', async () => {
  const layout = layoutWith((writer) => {
    const attestation = { ...putContainer(writer, []), platform: { architecture: 'unknown', os: 'unknown' } };
    return [
      attestation,
      putBootForm(writer),
      putContainer(writer, [], 'arm64'),
      putContainer(writer, [], 'amd64'),
    ];
  });
  const find = (architecture: 'amd64' | 'arm64' | 'riscv64') => findContainerImage(layout, { architecture });
  expect((await find('amd64'))?.config).toMatchObject({
    architecture: 'amd64',
    os: 'linux',
    labels: { a: 'b' },
  });
  expect((await find('arm64'))?.config.architecture).toBe('arm64');
  expect(await failure(find('riscv64'))).toEqual([
    'WRONG_ARCHITECTURE',
    'oci:image is for linux/amd64, linux/arm64, not for linux/riscv64',
  ]);
});

test('a boot form alone is no image of layers', async () => {
  const layout = layoutWith((writer) => [putBootForm(writer)]);
  expect(await findContainerImage(layout, { architecture: 'amd64' })).toBeUndefined();
});

/** An image whose layers are compressed, with diff ids of its own. */
function compressed(
  writer: LayoutWriter,
  layers: readonly Uint8Array[],
  pack: (bytes: Uint8Array) => Uint8Array,
  diffIds = layers.map((one) => sha256Of(one)),
  type: string = mediaTypes.layerGzip,
) {
  const config = writer.putJson(
    { architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: diffIds } },
    mediaTypes.config,
  );
  const blobs = layers.map((one) => writer.putBlob(pack(one), type));
  return [writer.putJson({ schemaVersion: 2, config, layers: blobs }, mediaTypes.manifest)];
}

async function unpack(put: (writer: LayoutWriter) => Descriptor[], progress: number[][] = []) {
  const image = await findContainerImage(layoutWith(put), { architecture: 'amd64' });
  if (image === undefined) throw new Error('no image');
  return unpackImage(image, root, { onProgress: (...args) => progress.push(args) });
}

test.each([
  ['gzip', (bytes: Uint8Array) => gzipSync(bytes)],
  ['zstd', (bytes: Uint8Array) => zstdCompressSync(bytes)],
  [
    'gzip in members',
    (bytes: Uint8Array) => Buffer.concat([gzipSync(bytes.subarray(0, 700)), gzipSync(bytes.subarray(700))]),
  ],
  [
    'zstd in frames',
    (bytes: Uint8Array) =>
      Buffer.concat([
        zstdCompressSync(bytes.subarray(0, 700)),
        Buffer.from('502a4d180400000078787878', 'hex'),
        zstdCompressSync(bytes.subarray(700)),
      ]),
  ],
])('layers with %s', async (_, pack) => {
  const layers = [await layer('a', 'first'), await layer('a', 'second')];
  const progress: number[][] = [];
  expect(await unpack((writer) => compressed(writer, layers, pack), progress)).toEqual({
    entries: 2,
    bytes: 11,
    findings: [],
  });
  expect([readFileSync(join(root, 'a'), 'utf8'), progress]).toEqual([
    'second',
    [
      [0, 2, 1],
      [1, 2, 1],
      [2, 2, 0],
    ],
  ]);
});

test('content that is not what the configuration says', async () => {
  const bytes = await layer('a', 'x');
  const [code] = await failure(
    unpack((writer) => compressed(writer, [bytes], (one) => one, [sha256Of('other')])),
  );
  expect(code).toBe('DIGEST_MISMATCH');
});

test('layers and configuration that do not go together', async () => {
  const bytes = await layer('a', 'x');
  expect(await failure(unpack((writer) => compressed(writer, [bytes], (one) => one, [])))).toEqual([
    'MANIFEST_INVALID',
    'oci:image: the manifest has 1 layers, its configuration 0',
  ]);
});

test('a layer that is no tar', async () => {
  const bytes = await layer('a', 'x');
  const [code] = await failure(
    unpack((writer) =>
      compressed(
        writer,
        [bytes],
        (one) => one,
        undefined,
        'application/vnd.oci.image.layer.v1.tar+gzip+encrypted',
      ),
    ),
  );
  expect(code).toBe('LAYER_UNSUPPORTED');
});
