import { afterEach, beforeEach, expect, test } from 'bun:test';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KairosError } from '@kairos/facts/errors';
import { filesBelow } from './files.ts';
import type { HostFiles } from './host.ts';
import { digestOnDisk, readStream, writeDevice, writeStream } from './streams.ts';

let folder: string;
let files: HostFiles;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'streams-'));
  files = filesBelow(folder);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const digest = (bytes: Uint8Array) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
const errorOf = async (promise: Promise<unknown>) => {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof KairosError) return error;
  throw new Error(`expected a KairosError, got ${error}`);
};

test('a stream becomes a file, whole and with its digest', async () => {
  const content = Buffer.from(Array.from({ length: 2_500_000 }, (_, index) => index % 251));
  let told = 0;
  const written = await writeStream(
    files,
    '/a/b',
    (async function* () {
      yield content.subarray(0, 1);
      yield content.subarray(1);
    })(),
    {
      mode: 0o640,
      onBytes: (count) => {
        told += count;
      },
    },
  );
  expect(written).toEqual({ size: content.length, digest: digest(content) });
  expect(told).toBe(content.length);
  expect(readFileSync(join(folder, 'a/b')).equals(content)).toBe(true);
  expect(statSync(join(folder, 'a/b')).mode & 0o777).toBe(0o640);
  expect(readdirSync(join(folder, 'a'))).toEqual(['b']);
  expect(await digestOnDisk(files, '/a/b')).toEqual(written);
  const parts: Buffer[] = [];
  for await (const chunk of readStream(files, '/a/b')) parts.push(Buffer.from(chunk));
  expect(Buffer.concat(parts).equals(content)).toBe(true);
});

test('a failing source leaves nothing, and an old file as it was', async () => {
  files.write('/file', 'old');
  const failing = (async function* () {
    yield Buffer.from('new');
    throw new KairosError('BLOB_TRUNCATED', 'cut');
  })();
  expect((await errorOf(writeStream(files, '/file', failing))).code).toBe('BLOB_TRUNCATED');
  expect(readdirSync(folder)).toEqual(['file']);
  expect(files.readText('/file')).toBe('old');
});

test('an abort stops between chunks and leaves nothing', async () => {
  const controller = new AbortController();
  const endless = (async function* () {
    for (;;) {
      yield Buffer.alloc(10);
      controller.abort();
    }
  })();
  const error = await errorOf(writeStream(files, '/file', endless, { signal: controller.signal }));
  expect([error.code, error.exitCode]).toEqual(['INTERRUPTED', 130]);
  expect(readdirSync(folder)).toEqual([]);
});

test('a full disk is told with what was written', async () => {
  const full = (async function* () {
    yield Buffer.alloc(2048);
    throw Object.assign(new Error('no space'), { code: 'ENOSPC' });
  })();
  const error = await errorOf(writeStream(files, '/file', full));
  expect([error.code, error.message, error.exitCode]).toEqual([
    'NO_SPACE',
    'No space left for /file after 2.0 KiB',
    17,
  ]);
});

test('a device keeps what lies around the written bytes', () => {
  writeFileSync(join(folder, 'disk'), Buffer.alloc(1024, 7));
  writeDevice(files, '/disk', Buffer.alloc(440, 1), 0);
  const disk = readFileSync(join(folder, 'disk'));
  expect(disk.length).toBe(1024);
  expect([disk[439], disk[440]]).toEqual([1, 7]);
});
