import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { annotations } from '@kairos/facts/media-types';
import { directoryHost } from '@kairos/host/directory';
import { readWhole } from './digest.ts';
import { createLayout, named } from './layout-writer.ts';
import { openSource, parseSource } from './source.ts';
import { tarDirectory } from './tar-directory.ts';
import { failure, putBootForm, putContainer, writeSlot } from './test-content.ts';

test.each<[string, string, string]>([
  ['oci:image', 'oci', 'image'],
  ['oci:/path', 'oci', '/path'],
  ['oci:example.org/a:1', 'oci', 'example.org/a:1'],
  ['docker://example.org/a', 'docker', 'example.org/a'],
  ['docker:a', 'docker', 'a'],
  ['oci-archive:/a.tar', 'oci-archive', '/a.tar'],
  ['ocifile:a.tar', 'ocifile', 'a.tar'],
  ['docker-archive:a.tar:name:tag', 'docker-archive', 'a.tar:name:tag'],
  ['dir:/', 'dir', '/'],
  ['file:/root.img', 'file', '/root.img'],
  ['debian', 'oci', 'debian'],
  ['debian:13', 'oci', 'debian:13'],
  ['example.org:5000/a', 'oci', 'example.org:5000/a'],
  ['example.org/a:1', 'oci', 'example.org/a:1'],
  ['/path', 'oci', '/path'],
  ['./path:x', 'oci', './path:x'],
])('%s', (text, scheme, value) => {
  expect(parseSource(text)).toEqual({ scheme: scheme as 'oci', value });
});

test.each<[string, string]>([
  ['', 'Not a source: "": it is empty'],
  ['oci:', 'Not a source: "oci:": nothing follows oci:'],
  ['dri:/path', 'Not a source: "dri:/path": the kind "dri" is not known, did you mean "dir"?'],
  [
    'oci-archiv:./x',
    'Not a source: "oci-archiv:./x": the kind "oci-archiv" is not known, did you mean "oci-archive"?',
  ],
  ['https://example.org/a', 'Not a source: "https://example.org/a": the kind "https" is not known'],
  [
    'https://u:hunter2@example.org/a',
    'Not a source: "https://***@example.org/a": the kind "https" is not known',
  ],
])('%j is refused', (text, message) => {
  expect(() => parseSource(text)).toThrow(message);
});

describe('opened', () => {
  let folder: string;
  const amd64 = { architecture: 'amd64' } as const;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'source-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const open = (uri: string) => openSource(uri, { host: directoryHost(folder) });
  const both = () => {
    const writer = createLayout(join(folder, 'image'));
    writer.writeIndex([putContainer(writer, []), putBootForm(writer)]);
  };

  test.each(['oci:/image', '/image', 'dir:/image'])('a layout as %s', async (uri) => {
    both();
    const source = await open(uri);
    expect((await source.bootForm(amd64))?.manifest.architecture).toBe('amd64');
    expect((await source.containerImage(amd64))?.config.architecture).toBe('amd64');
    expect(source.path).toBe(join(folder, 'image'));
  });

  test.each(['oci-archive:/a.tar', 'ocifile:/a.tar', 'file:/a.tar', '/a.tar'])(
    'an archive as %s',
    async (uri) => {
      both();
      writeFileSync(
        join(folder, 'a.tar'),
        await readWhole(tarDirectory(join(folder, 'image')), 1 << 24, 'tar'),
      );
      const source = await open(uri);
      expect((await source.bootForm(amd64))?.manifest.architecture).toBe('amd64');
      source.close();
    },
  );

  test('a slot, and a directory that is none', async () => {
    writeSlot(join(folder, 'slot'));
    mkdirSync(join(folder, 'root'));
    const slot = await open('dir:/slot');
    expect((await slot.bootForm(amd64))?.source).toBe('dir:/slot');
    expect((await failure(slot.bootForm({ architecture: 'arm64' })))[0]).toBe('WRONG_ARCHITECTURE');
    const root = await open('dir:/root');
    expect([await root.bootForm(amd64), await root.containerImage(amd64), root.path]).toEqual([
      undefined,
      undefined,
      join(folder, 'root'),
    ]);
  });

  test('an image file is a path', async () => {
    writeFileSync(join(folder, 'root.img'), 'no archive');
    const source = await open('file:/root.img');
    expect([source.path, source.content, await source.bootForm(amd64)]).toEqual([
      join(folder, 'root.img'),
      undefined,
      undefined,
    ]);
  });

  test('one of several images by its name', async () => {
    const writer = createLayout(join(folder, 'image'));
    writer.writeIndex([
      named(putBootForm(writer, 'amd64'), 'one'),
      named(putBootForm(writer, 'arm64'), 'two'),
    ]);
    const place = join(folder, 'image');
    expect(await failure((await open('oci:/image')).bootForm(amd64))).toEqual([
      'SOURCE_AMBIGUOUS',
      `oci:${place} holds 2 images: one, two`,
    ]);
    expect(
      (await (await open('oci:/image:one')).content?.roots())?.map(
        (root) => root.annotations?.[annotations.refName],
      ),
    ).toEqual(['one']);
    expect(await failure((await open('oci:/image:tow')).bootForm(amd64))).toEqual([
      'IMAGE_NOT_FOUND',
      `oci:${place} holds no image of that name, did you mean "two"?`,
    ]);
  });

  test.each<[string, string]>([
    ['oci:/none', 'SOURCE_NOT_FOUND'],
    ['dir:/none', 'SOURCE_NOT_FOUND'],
    ['oci-archive:/none', 'SOURCE_NOT_FOUND'],
    ['oci:/empty', 'SOURCE_INVALID'],
    ['dir:/file', 'SOURCE_NOT_FOUND'],
    ['oci-archive:/file', 'TAR_TRUNCATED'],
    ['oci:Not/Valid', 'REFERENCE_INVALID'],
  ])('%s is refused', async (uri, code) => {
    mkdirSync(join(folder, 'empty'));
    writeFileSync(join(folder, 'file'), 'x');
    expect((await failure(open(uri)))[0]).toBe(code);
  });

  test('a reference is a registry, asked later', async () => {
    for (const uri of ['example.org/a:1', 'oci:example.org/a:1', 'docker:example.org/a:1']) {
      expect([uri, (await open(uri)).content?.name]).toEqual([uri, 'example.org/a:1']);
    }
  });
});
