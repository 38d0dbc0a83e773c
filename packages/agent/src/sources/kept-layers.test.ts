import { afterEach, beforeEach, expect, test } from 'bun:test';
import { createHash, randomBytes } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { KairosError } from '@kairos/facts/errors';
import { directoryHost } from '@kairos/host/directory';
import type { ContentSource } from '@kairos/oci/content';
import type { Descriptor } from '@kairos/oci/descriptor';
import { sceneFolder } from '../node-scene.ts';
import { keepLayers } from './kept-layers.ts';

let folder: string;
beforeEach(() => {
  folder = sceneFolder();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const blobs = [randomBytes(1000), randomBytes(2000)];
const layers: Descriptor[] = blobs.map((bytes) => ({
  mediaType: 'application/vnd.oci.image.layer.v1.tar',
  digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}`,
  size: bytes.length,
}));
const names = layers.map(({ digest }) => digest.replace(':', '-'));
/** Where each request began. */
let asked: number[];

/** A registry whose connections end after so many bytes. */
function registry(bytes = Number.POSITIVE_INFINITY): ContentSource {
  asked = [];
  const nothing = () => Promise.reject(new Error('not asked for'));
  return {
    ...{ name: 'registry.test/os', roots: nothing, document: nothing, close: () => undefined },
    blob() {
      throw new Error('not asked for');
    },
    async *blobFrom(descriptor, offset) {
      asked.push(offset);
      const rest = blobs[layers.indexOf(descriptor)]?.subarray(offset) ?? Buffer.alloc(0);
      for (let at = 0; at < rest.length; at += 100) {
        if (at >= bytes) throw new KairosError('REGISTRY_UNREACHABLE', 'gone', { exit: 'network' });
        yield rest.subarray(at, at + 100);
      }
    },
  };
}

const host = () => directoryHost(folder);
const progress: number[] = [];
const keep = (content: ContentSource) =>
  keepLayers(host(), content, layers, '/work', {
    onProgress: (done, total) => {
      expect(total).toBe(3000);
      progress.push(done);
    },
  });
async function read(content: ContentSource): Promise<Buffer[]> {
  const found: Buffer[] = [];
  for (const layer of layers) found.push(Buffer.concat(await Array.fromAsync(content.blob(layer))));
  return found;
}
const there = () => host().files.list('/work/layers');

test('what an earlier run has fetched is not asked for again, and goes when all is unpacked', async () => {
  const cut = keep(registry(1200));
  const error = await read(cut.content).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: 'REGISTRY_UNREACHABLE' });
  cut.end(error);
  expect(there()).toEqual([names[0] as string, `${names[1]}.partial`].sort());

  const again = keep(registry());
  expect(await read(again.content)).toEqual(blobs);
  expect(asked).toEqual([1200]);
  expect(progress.at(-1)).toBe(3000);
  again.end();
  expect(host().files.exists('/work/layers')).toBe(false);
});

test('whatever an interruption is told as, what came until then stays', async () => {
  const controller = new AbortController();
  const kept = keepLayers(host(), registry(), layers, '/work', { signal: controller.signal });
  await read(kept.content);
  controller.abort();
  kept.end(new Error('aborted'));
  expect(there()).toEqual([...names].sort());
});

test('a beginning that a power cut left wrong costs its download', async () => {
  host().files.makeDirectory('/work/layers');
  writeFileSync(join(folder, 'work/layers', `${names[0]}.partial`), Buffer.alloc(500));
  expect(await read(keep(registry()).content)).toEqual(blobs);
  expect(asked).toEqual([500, 0, 0]);
});

test('layers of another image go before, and none stay where the image is what is wrong', async () => {
  host().files.write('/work/layers/sha256-other', 'x');
  const kept = keep(registry());
  expect(there()).toEqual([]);
  await read(kept.content);
  kept.end(new KairosError('DIGEST_MISMATCH', 'wrong', { exit: 'corruptSource' }));
  expect(host().files.exists('/work/layers')).toBe(false);
});

test('what lies here is read where it is', () => {
  const content = { ...registry(), blobFile: () => '/blob' };
  expect(keep(content).content).toBe(content);
  expect(host().files.exists('/work')).toBe(false);
});
