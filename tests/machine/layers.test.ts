import { afterEach, beforeAll, beforeEach, expect, setDefaultTimeout, test } from 'bun:test';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { openImageSource } from '@kairos/agent/sources/image-source';
import { imageManifestSchema } from '@kairos/facts/image-manifest';
import { mediaTypes } from '@kairos/facts/media-types';
import { MiB } from '@kairos/facts/size';
import type { Host } from '@kairos/host/host';
import { buildImage } from '@kairos/image/build';
import type { Definition } from '@kairos/image/definition';
import { findContainerImage, unpackImage } from '@kairos/oci/container-image';
import { openLayout } from '@kairos/oci/layout';
import { createLayout } from '@kairos/oci/layout-writer';
import { tarDirectory } from '@kairos/oci/tar-directory';
import { errorOf } from '../src/error-of.ts';
import { putImageOfLayers } from '../src/image-of-layers.ts';
import { bootedFrom, installOn, slotsOf, upgradeNode, withState, writeImage } from '../src/installed-node.ts';
import { LoopDisk, lookInside, machineWithVfat } from '../src/loop-disk.ts';
import { sharedRegistry } from '../src/shared-registry.ts';
import { writeSmallRoot } from '../src/small-root.ts';

setDefaultTimeout(180_000);

const machine = machineWithVfat();
const amd64 = { architecture: 'amd64' } as const;
const registry = sharedRegistry('layers');
const shared = registry.folder;
const smallRoot = join(shared, 'root');
/** An image of ours, with both forms. */
const built = join(shared, 'image');
let folder: string;
let place: string;

async function buildSmall(output: string, more: Partial<Definition>): Promise<void> {
  await buildImage(
    machine,
    {
      definition: { base: `dir:${smallRoot}`, version: '2.0.0', ...more },
      directory: shared,
      output,
      executable: join(shared, 'executable'),
    },
    { cacheDirectory: join(shared, 'cache'), workDirectory: join(shared, 'work') },
  );
}

beforeAll(async () => {
  writeSmallRoot(smallRoot);
  writeFileSync(join(shared, 'executable'), 'the executable');
  await buildSmall(built, { kernelArguments: ['mine=1'] });
});
beforeEach(() => {
  folder = mkdtempSync(join(shared, 'test-'));
  place = join(folder, 'work');
  process.env.KAIROS_WORK = place;
});
afterEach(() => {
  delete process.env.KAIROS_WORK;
  // Whatever happens, the directory for work is empty.
  expect(existsSync(place) ? readdirSync(place) : []).toEqual([]);
  rmSync(folder, { recursive: true, force: true });
});

/** A layout with the layers of an image only, and one more, as a Dockerfile would add. */
async function onTop(files: Readonly<Record<string, string>>, below = built): Promise<string> {
  const content = openLayout(below);
  const image = await findContainerImage(content, amd64);
  if (image === undefined) throw new Error('no container form');
  const path = join(folder, 'derived');
  const writer = createLayout(path);
  const layers = [];
  for (const layer of image.manifest.layers) {
    layers.push(await writer.putStream(content.blob(layer), layer.mediaType));
  }
  const diffIds = [...image.config.diffIds];
  if (Object.keys(files).length > 0) {
    const more = join(folder, 'more');
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(join(more, name, '..'), { recursive: true });
      writeFileSync(join(more, name), text);
    }
    const layer = await writer.putStream(tarDirectory(more), mediaTypes.layer);
    layers.push(layer);
    diffIds.push(layer.digest);
  }
  const { document } = image.config;
  writer.writeIndex([putImageOfLayers(writer, layers, diffIds, { ...document, architecture: 'amd64' })]);
  return path;
}

test('an image that somebody built on one of ours is upgraded to from a registry', async () => {
  const derived = await onTop({ 'etc/added': 'by a Dockerfile\n' });
  await registry.push(derived, 'derived/os:v2');
  const first = await writeImage(folder, 'v1');
  using disk = new LoopDisk(folder, 1024 * MiB);
  await installOn(machine, disk, first.slot, folder);
  const host: Host = bootedFrom(machine, disk.device, 'ACTIVE', first.rootHash);
  const { upgraded } = await withState(disk.device, () =>
    upgradeNode(host, `oci:${registry.address}/derived/os:v2`),
  );
  expect(upgraded).toBe(true);
  expect(slotsOf(disk)).toEqual({ active: 'v2.0.0', passive: 'v1' });
  const root = join(folder, 'root.img');
  lookInside(disk.partition(5), (state) => {
    writeFileSync(root, readFileSync(join(state, 'cOS/active/root.img')));
    const { verity } = imageManifestSchema.parse(
      JSON.parse(readFileSync(join(state, 'cOS/active/image.json'), 'utf8')),
    );
    expect(readFileSync(join(state, 'cOS/active/cmdline'), 'utf8')).toMatch(
      new RegExp(`^kairos\\.verity=${verity.rootHash}:\\S+ kairos\\.rootfstype=erofs .*mine=1\\n$`),
    );
    const size = verity.dataBlocks * 4096;
    const verified = Bun.spawnSync([
      ...['veritysetup', 'verify', root, root, verity.rootHash, `--hash-offset=${size}`],
    ]);
    expect(verified.stderr.toString()).toBe('');
    expect(verified.exitCode).toBe(0);
  });
  lookInside(root, (inside) => {
    expect(readFileSync(join(inside, 'etc/added'), 'utf8')).toBe('by a Dockerfile\n');
    expect(readFileSync(join(inside, 'usr/bin/kairos'), 'utf8')).toBe('the executable');
    expect(readFileSync(join(inside, 'etc/machine-id'), 'utf8')).toBe('');
  });
});

test.each(['erofs', 'ext4'] as const)(
  '%s: from the layers alone the same is made as when the image was built',
  async (type) => {
    const image = join(folder, 'image');
    await buildSmall(image, { filesystem: { type, compression: 'fast' } });
    const made = await openImageSource(machine, `oci:${await onTop({}, image)}`);
    const original = await openImageSource(machine, `oci:${image}`);
    try {
      const { files, verity, provenance: _, ...rest } = made.image.manifest;
      const { files: wanted, verity: guard, provenance: __, ...same } = original.image.manifest;
      expect(rest).toEqual(same);
      expect(files).toEqual(wanted);
      expect(verity).toEqual(guard);
    } finally {
      await made.close();
      await original.close();
    }
  },
);

test('a root in a directory, and one in a file system, give the same', async () => {
  const root = join(folder, 'unpacked');
  mkdirSync(root);
  const image = await findContainerImage(openLayout(built), amd64);
  if (image === undefined) throw new Error('no container form');
  await unpackImage(image, root);
  const digests: string[] = [];
  const file = join(folder, 'root.squashfs');
  Bun.spawnSync(['mksquashfs', root, file, '-quiet', '-no-progress']);
  for (const source of [`dir:${root}`, `file:${file}`]) {
    const made = await openImageSource(machine, source);
    digests.push(made.image.manifest.files['root.img']?.digest ?? '');
    await made.close();
  }
  expect(digests[0]).toBe(digests[1] as string);
  expect(machine.mounts().some(({ target }) => target.startsWith(place))).toBe(false);
});

test.each<[string, () => Promise<Host>, string, number, RegExp]>([
  [
    'a tool is missing',
    async () => ({ ...machine, which: (name) => (name === 'veritysetup' ? undefined : machine.which(name)) }),
    'TOOL_MISSING',
    14,
    /has no boot form, and to make it here veritysetup is missing$/,
  ],
  [
    'there is no room',
    async () => ({ ...machine, freeSpace: () => 10 * MiB }),
    'NO_SPACE',
    17,
    /to make it here needs \d+\.\d MiB: \S+ has 10\.0 MiB, /,
  ],
])('%s: told before anything is written', async (_, hosted, code, exit, message) => {
  const source = `oci:${await onTop({})}`;
  const error = await errorOf(openImageSource(await hosted(), source));
  expect([error.code, error.exitCode]).toEqual([code, exit]);
  expect(error.message).toMatch(message);
  expect(existsSync(place)).toBe(false);
});

test('an image that is none of ours is told', async () => {
  const root = join(folder, 'foreign');
  mkdirSync(join(root, 'etc'), { recursive: true });
  writeFileSync(join(root, 'etc/os-release'), 'ID=debian\n');
  const error = await errorOf(openImageSource(machine, `dir:${root}`));
  expect([error.code, error.exitCode]).toEqual(['NOT_AN_OS_IMAGE', 13]);
});
