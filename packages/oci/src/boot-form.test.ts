import { afterEach, beforeEach, expect, describe as group, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { annotations, mediaTypes } from '@kairos/facts/media-types';
import { findBootForm } from './boot-form-content.ts';
import { bootFormFromDirectory } from './boot-form-directory.ts';
import type { Descriptor } from './descriptor.ts';
import { sha256Of } from './digest.ts';
import { openLayout } from './layout.ts';
import { createLayout, type LayoutWriter } from './layout-writer.ts';
import {
  collect,
  describe,
  failure,
  imageManifest,
  putBootForm,
  putContainer,
  slotContents,
  writeSlot,
} from './test-content.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'boot-form-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function layoutWith(put: (writer: LayoutWriter) => Descriptor[]) {
  const writer = createLayout(join(folder, 'image'));
  writer.writeIndex(put(writer));
  return openLayout(join(folder, 'image'), 'oci:image');
}

group('in a directory', () => {
  test('is read and checked', async () => {
    writeSlot(folder);
    const form = bootFormFromDirectory(folder, 'dir:slot');
    expect([form.source, form.manifest]).toEqual(['dir:slot', imageManifest()]);
    expect([...form.files.keys()].sort()).toEqual(['cmdline', 'image.json', 'initrd', 'root.img', 'vmlinuz']);
    expect(form.digest).toBe(sha256Of(await collect(form.open('image.json'))));
    for (const [name, content] of Object.entries(slotContents)) {
      expect([name, await collect(form.open(name)), form.files.get(name)]).toEqual([
        name,
        content,
        content.length,
      ]);
    }
    expect(await failure(collect(form.open('other')))).toEqual([
      'BLOB_MISSING',
      'dir:slot has no file other',
    ]);
  });

  test('a flipped byte is found', async () => {
    writeSlot(folder);
    writeFileSync(join(folder, 'root.img'), 'root file sYstem');
    const form = bootFormFromDirectory(folder, 'dir:slot');
    expect((await failure(collect(form.open('root.img'))))[0]).toBe('DIGEST_MISMATCH');
  });

  test.each<[string, () => void, string, string]>([
    [
      'is not there',
      () => rmSync(join(folder, 'image.json')),
      'NO_BOOT_FORM',
      'No slot of an OS image in dir:slot: no image.json',
    ],
    [
      'lacks a file',
      () => rmSync(join(folder, 'initrd')),
      'BLOB_MISSING',
      'dir:slot does not hold initrd, which its image.json names',
    ],
    [
      'has a file that is short',
      () => writeFileSync(join(folder, 'initrd'), 'ini'),
      'BLOB_TRUNCATED',
      'initrd in dir:slot has 3 bytes instead of 6',
    ],
    [
      'names a path',
      () =>
        writeSlot(folder, {
          ...imageManifest(),
          files: { ...imageManifest().files, '../x': { size: 1, digest: sha256Of('x') } },
        }),
      'IMAGE_MANIFEST_INVALID',
      'The image.json of dir:slot is not valid: "../x" cannot be the name of a slot\'s file',
    ],
    [
      'lists no kernel',
      () => writeSlot(folder, { ...imageManifest(), files: {} }),
      'IMAGE_MANIFEST_INVALID',
      'The image.json of dir:slot is not valid: it does not list root.img',
    ],
    ['is no JSON', () => writeFileSync(join(folder, 'image.json'), 'x'), 'IMAGE_MANIFEST_INVALID', ''],
  ])('%s', async (_, change, code, message) => {
    writeSlot(folder);
    change();
    const [found, said] = await failure((async () => bootFormFromDirectory(folder, 'dir:slot'))());
    expect([found, message === '' ? '' : said]).toEqual([code, message]);
  });
});

group('in a layout', () => {
  test('is found beside the container form, for the right architecture', async () => {
    const layout = layoutWith((writer) => [
      putContainer(writer, []),
      putBootForm(writer, 'arm64'),
      putBootForm(writer, 'amd64'),
    ]);
    const form = await findBootForm(layout, { architecture: 'amd64' });
    expect([form?.manifest.architecture, form?.digest]).toEqual([
      'amd64',
      layout.index().manifests[2]?.digest,
    ]);
    expect(await collect((form as NonNullable<typeof form>).open('vmlinuz'))).toBe('kernel');
    expect((await findBootForm(layout, { architecture: 'arm64' }))?.manifest.architecture).toBe('arm64');
    expect(await failure(findBootForm(layout, { architecture: 'riscv64' }))).toEqual([
      'WRONG_ARCHITECTURE',
      'oci:image is for amd64, arm64, not for riscv64',
    ]);
  });

  test('is found in an index of an index, and by a bare manifest', async () => {
    const bare = ({ mediaType, digest, size }: Descriptor) => ({ mediaType, digest, size });
    const nested = layoutWith((writer) => [
      writer.putJson(
        { schemaVersion: 2, manifests: [putContainer(writer, []), putBootForm(writer)] },
        mediaTypes.index,
      ),
    ]);
    expect((await findBootForm(nested, { architecture: 'amd64' }))?.source).toBe('oci:image');
    const alone = layoutWith((writer) => [bare(putBootForm(writer))]);
    expect((await findBootForm(alone, { architecture: 'amd64' }))?.source).toBe('oci:image');
  });

  test('an image of layers alone has none', async () => {
    const layout = layoutWith((writer) => [putContainer(writer, [])]);
    expect(await findBootForm(layout, { architecture: 'amd64' })).toBeUndefined();
  });

  test('an index that leads in circles ends', async () => {
    let depth = 0;
    const layout = layoutWith((writer) => [writer.putBlob(Buffer.from('x'), mediaTypes.index)]);
    const circle = {
      ...layout,
      document: async (one: Descriptor) =>
        Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [{ ...one, size: depth++ }] })),
    };
    expect((await failure(findBootForm(circle, { architecture: 'amd64' })))[0]).toBe('INDEX_TOO_DEEP');
    expect(depth).toBe(5);
  });

  test.each<[string, (layers: Descriptor[]) => Descriptor[], string]>([
    [
      'without image.json',
      (layers) => layers.filter((one) => one.annotations?.[annotations.title] !== 'image.json'),
      'it has no image.json',
    ],
    [
      'without a file',
      (layers) => layers.filter((one) => one.annotations?.[annotations.title] !== 'initrd'),
      'initrd is in image.json and not in the layers',
    ],
    ['with a file twice', (layers) => [...layers, layers[0] as Descriptor], 'it holds root.img twice'],
    [
      'with another file',
      (layers) =>
        layers.map((one) =>
          one.annotations?.[annotations.title] === 'initrd' ? { ...one, ...describe('other') } : one,
        ),
      'initrd differs between image.json and the layers',
    ],
    [
      'with a file too many',
      (layers) => [...layers, { ...describe('x'), annotations: { [annotations.title]: 'extra' } }],
      'extra is in the layers and not in image.json',
    ],
    [
      'with a path for a name',
      (layers) => [...layers, { ...describe('x'), annotations: { [annotations.title]: '../x' } }],
      'a layer is called "../x"',
    ],
  ])('is refused %s', async (_, change, reason) => {
    const layout = layoutWith((writer) => [putBootForm(writer)]);
    const manifest = await layout.manifest(layout.index().manifests[0] as Descriptor);
    const bytes = Buffer.from(
      JSON.stringify({ schemaVersion: 2, ...manifest, layers: change([...manifest.layers]) }),
    );
    const changed = { ...layout, document: async () => bytes };
    expect(await failure(findBootForm(changed, { architecture: 'amd64' }))).toEqual([
      'BOOT_FORM_INVALID',
      `The boot form in oci:image is not valid: ${reason}`,
    ]);
  });
});
