import { afterEach, beforeEach, expect, describe as group, test } from 'bun:test';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { canonicalJson } from './canonical-json.ts';
import { sha256Of, verified } from './digest.ts';
import { openLayout } from './layout.ts';
import { createLayout } from './layout-writer.ts';
import { collect, describe, failure, streamOf } from './test-content.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'layout-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const hello = describe('hello', 'text/plain');

test('canonical JSON depends on the value alone', () => {
  expect(canonicalJson({ b: [{ z: 1, a: undefined, c: null }], a: 'é' })).toBe(
    '{"a":"é","b":[{"c":null,"z":1}]}',
  );
});

group('a layout', () => {
  test('is written beside and read back', async () => {
    const path = join(folder, 'image');
    const writer = createLayout(path);
    const blob = writer.putBlob(Buffer.from('hello'), 'text/plain');
    expect(blob).toEqual(hello);
    const file = join(folder, 'file');
    writeFileSync(file, 'from a file');
    const fromFile = await writer.putFile(file, 'text/plain', { a: 'b' });
    const streamed = await writer.putStream(streamOf('from ', 'a stream'), 'text/plain');
    const json = writer.putJson({ b: 1, a: 2 }, 'application/json');
    expect(existsSync(path)).toBe(false);
    writer.writeIndex([blob, fromFile], { note: 'x' });
    expect(readdirSync(folder).sort()).toEqual(['file', 'image']);
    expect(readdirSync(path).sort()).toEqual(['blobs', 'index.json', 'oci-layout']);
    const layout = openLayout(path);
    expect(layout.index()).toEqual({
      mediaType: 'application/vnd.oci.image.index.v1+json',
      manifests: [blob, { ...describe('from a file', 'text/plain'), annotations: { a: 'b' } }],
      annotations: { note: 'x' },
    });
    expect(
      await Promise.all([blob, fromFile, streamed, json].map((one) => collect(layout.blob(one)))),
    ).toEqual(['hello', 'from a file', 'from a stream', '{"a":2,"b":1}']);
    expect(readFileSync(file, 'utf8')).toBe('from a file');
    expect(statSync(join(path, 'blobs/sha256', sha256Of('hello').slice(7))).mode & 0o777).toBe(0o644);
  });

  test('takes a file away with move', async () => {
    const writer = createLayout(join(folder, 'image'));
    const file = join(folder, 'file');
    writeFileSync(file, 'hello', { mode: 0o600 });
    const moved = await writer.putFile(file, 'text/plain', {}, { move: true });
    writer.writeIndex([moved]);
    expect([moved, existsSync(file)]).toEqual([hello, false]);
  });

  test('is replaced whole, and only by a layout that is complete', async () => {
    const path = join(folder, 'image');
    const first = createLayout(path);
    first.writeIndex([first.putBlob(Buffer.from('hello'), 'text/plain')]);
    const second = createLayout(path);
    second.putBlob(Buffer.from('other'), 'text/plain');
    expect(await collect(openLayout(path).blob(hello))).toBe('hello');
    second.writeIndex([]);
    expect(openLayout(path).index().manifests).toEqual([]);
    expect((await failure(collect(openLayout(path).blob(hello))))[0]).toBe('BLOB_MISSING');
    expect(readdirSync(folder)).toEqual(['image']);
  });

  test('leaves nothing when aborted, and clears what a dead writer left', () => {
    const path = join(folder, 'image');
    // No process has this id: the kernel's largest is 2^22.
    mkdirSync(join(folder, '.image.4194305-0a0b0c0d.tmp'));
    mkdirSync(join(folder, '.other.4194305-0a0b0c0d.tmp'));
    const writer = createLayout(path);
    writer.putBlob(Buffer.from('hello'), 'text/plain');
    writer.abort();
    expect(readdirSync(folder)).toEqual(['.other.4194305-0a0b0c0d.tmp']);
  });

  test('does not replace something else', () => {
    mkdirSync(join(folder, 'home'));
    writeFileSync(join(folder, 'home/letter'), 'dear');
    expect(() => createLayout(join(folder, 'home'))).toThrow('something else is there');
    expect(readdirSync(folder)).toEqual(['home']);
  });
});

group('bad layouts', () => {
  test.each<[string, Record<string, string>, string, string]>([
    ['nothing there', {}, 'LAYOUT_NOT_FOUND', 'No OCI image layout at layout: oci-layout is missing'],
    [
      'no index',
      { 'oci-layout': '{"imageLayoutVersion":"1.0.0"}' },
      'LAYOUT_NOT_FOUND',
      'No OCI image layout at layout: index.json is missing',
    ],
    [
      'another version',
      { 'oci-layout': '{"imageLayoutVersion":"2.0.0"}' },
      'LAYOUT_INVALID',
      'The oci-layout file of layout is not valid: it does not say imageLayoutVersion 1',
    ],
    [
      'an index that is none',
      {
        'oci-layout': '{"imageLayoutVersion":"1.0.0"}',
        'index.json': '{"schemaVersion":2,"manifests":[{"mediaType":"a","size":-1,"digest":"sha256:x"}]}',
      },
      'MANIFEST_INVALID',
      'Not an image index in layout: manifests.0.digest: expected sha256: or sha512: and hexadecimal digits',
    ],
  ])('%s', async (_, files, code, message) => {
    for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
    const [found, said] = await failure((async () => openLayout(folder))());
    expect([found, said.replaceAll(folder, 'layout')]).toEqual([code, message]);
  });
});

group('verified', () => {
  test.each<[string, string[], string, string, string]>([
    ['a blob that is short', ['hel', 'l'], 'hel', 'BLOB_TRUNCATED', 'ends after 4 of 5 bytes (1 B missing)'],
    [
      'a blob that is long',
      ['hello', '!'],
      'hello',
      'DIGEST_MISMATCH',
      'is longer than the 5 bytes of its descriptor',
    ],
    [
      'a blob that is another',
      ['hel', 'lO'],
      'hel',
      'DIGEST_MISMATCH',
      `has the digest ${sha256Of('hellO')}`,
    ],
  ])('%s', async (_, chunks, given, code, message) => {
    let got = '';
    const reading = (async () => {
      for await (const chunk of verified(streamOf(...chunks), hello, 'x')) got += Buffer.from(chunk);
    })();
    const [found, said] = await failure(reading);
    expect([found, said]).toEqual([code, `Blob sha256:2cf24dba5fb0… of x ${message}`]);
    // The end of a blob is never given before it is known to be right.
    expect(got).toBe(code === 'BLOB_TRUNCATED' ? 'hell' : given);
  });

  test('an empty blob', async () => {
    expect(await collect(verified(streamOf(), describe(''), 'x'))).toBe('');
  });
});

group('a layout replaces', () => {
  const made = (path: string) => {
    const writer = createLayout(path);
    writer.putBlob(Buffer.from('hello'), 'text/plain');
    writer.writeIndex([]);
  };
  test('a layout', () => {
    const path = join(folder, 'image');
    made(path);
    made(path);
    expect(readdirSync(folder)).toEqual(['image']);
  });

  test('no layout beside which somebody keeps files', () => {
    const path = join(folder, 'image');
    made(path);
    writeFileSync(join(path, 'notes'), 'mine');
    expect(() => createLayout(path)).toThrow(expect.objectContaining({ code: 'LAYOUT_IN_THE_WAY' }));
    expect(readFileSync(join(path, 'notes'), 'utf8')).toBe('mine');
    expect(readdirSync(folder)).toEqual(['image']);
  });
});
