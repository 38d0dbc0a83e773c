import { afterEach, beforeEach, expect, test } from 'bun:test';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KairosError } from '@kairos/facts/errors';
import type { ContentSource } from './content.ts';
import { verified } from './digest.ts';
import { downloadBlob } from './download.ts';
import { describe, failure, streamOf } from './test-content.ts';

const content = 'the content of a blob';
const blob = describe(content);
let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'download-'));
  path = join(folder, 'blob');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A registry that gives what `bytes` says, from where it is asked to begin. */
function source(bytes: string, asked: number[] = [], breaksAt = Number.POSITIVE_INFINITY) {
  const base: ContentSource = {
    name: 'registry',
    roots: async () => [],
    document: async () => new Uint8Array(),
    blob: () => streamOf(bytes),
    close: () => undefined,
  };
  return {
    ...base,
    async *blobFrom(_: unknown, offset: number) {
      asked.push(offset);
      for (let at = offset; at < bytes.length; at += 4) {
        if (at >= breaksAt) throw new KairosError('REGISTRY_UNREACHABLE', 'gone');
        yield Buffer.from(bytes.slice(at, at + 4));
      }
    },
  };
}

test('a blob is fetched, and not again', async () => {
  const asked: number[] = [];
  const progress: number[] = [];
  const options = { onProgress: (bytes: number) => progress.push(bytes) };
  expect(await downloadBlob(source(content, asked), blob, path, options)).toEqual({
    fetched: 21,
    resumed: 0,
  });
  expect(await downloadBlob(source(content, asked), blob, path, options)).toEqual({ fetched: 0, resumed: 0 });
  expect([readFileSync(path, 'utf8'), asked, progress]).toEqual([content, [0], [4, 8, 12, 16, 20, 21, 21]]);
  expect(readdirSync(folder)).toEqual(['blob']);
});

test('a file of another content is replaced', async () => {
  writeFileSync(path, 'x'.repeat(21));
  await downloadBlob(source(content), blob, path);
  expect(readFileSync(path, 'utf8')).toBe(content);
});

test('a download that broke off is continued', async () => {
  const asked: number[] = [];
  expect((await failure(downloadBlob(source(content, asked, 12), blob, path)))[0]).toBe(
    'REGISTRY_UNREACHABLE',
  );
  expect([existsSync(path), readFileSync(`${path}.partial`, 'utf8')]).toEqual([false, content.slice(0, 12)]);
  expect(await downloadBlob(source(content, asked), blob, path)).toEqual({ fetched: 9, resumed: 12 });
  expect([readFileSync(path, 'utf8'), asked]).toEqual([content, [0, 12]]);
});

test('what a power cut left wrong is fetched anew', async () => {
  const asked: number[] = [];
  writeFileSync(`${path}.partial`, `the co\0\0\0\0`);
  expect(await downloadBlob(source(content, asked), blob, path)).toEqual({ fetched: 32, resumed: 0 });
  expect([readFileSync(path, 'utf8'), asked]).toEqual([content, [10, 0]]);
});

test('a partial file that is too long is begun anew', async () => {
  writeFileSync(`${path}.partial`, 'x'.repeat(50));
  await downloadBlob(source(content), blob, path);
  expect(readFileSync(path, 'utf8')).toBe(content);
});

test('a source that cannot begin in the middle begins anew', async () => {
  writeFileSync(`${path}.partial`, 'the con');
  const { blobFrom, ...plain } = source(content);
  expect(await downloadBlob(plain, blob, path)).toEqual({ fetched: 21, resumed: 0 });
});

test('wrong content leaves nothing', async () => {
  expect((await failure(downloadBlob(source('the content of a blub'), blob, path)))[0]).toBe(
    'DIGEST_MISMATCH',
  );
  expect((await failure(downloadBlob(source(`${content}!`), blob, path)))[0]).toBe('DIGEST_MISMATCH');
  expect(readdirSync(folder)).toEqual([]);
  expect((await failure(collectFrom(source(content.slice(0, 9)))))[0]).toBe('BLOB_TRUNCATED');
});

const collectFrom = (from: ReturnType<typeof source>) =>
  downloadBlob({ ...from, blob: () => verified(streamOf('x'), blob, 'x') }, blob, path);

test('a signal leaves what is there to be continued', async () => {
  const controller = new AbortController();
  const downloading = downloadBlob(source(content), blob, path, {
    signal: controller.signal,
    onProgress: (bytes) => {
      if (bytes >= 8) controller.abort();
    },
  });
  expect((await failure(downloading))[0]).toBe('INTERRUPTED');
  expect(readFileSync(`${path}.partial`, 'utf8')).toBe(content.slice(0, 8));
});
