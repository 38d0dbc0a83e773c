import { afterEach, beforeEach, expect, test } from 'bun:test';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KairosError } from '@kairos/facts/errors';
import fc from 'fast-check';
import { filesBelow } from './files.ts';
import type { HostFiles } from './host.ts';
import { partialPath, partialSize, writeVerified } from './verified-write.ts';

let folder: string;
let files: HostFiles;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'verified-'));
  files = filesBelow(folder);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const digestOf = (bytes: Uint8Array) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
const content = Buffer.from(Array.from({ length: 9_000_001 }, (_, index) => (index * index) % 251));
const expected = { size: content.length, digest: digestOf(content) };
const differs = ({ digest }: { digest: string }) =>
  new KairosError('DIFFERS', digest, { exit: 'corruptSource' });
const partial = () => join(folder, partialPath('/file', expected.digest));

/** The bytes from an offset on, in chunks, and the offsets that were asked for. */
function source(bytes: Buffer = content, chunk = 700_001) {
  const asked: number[] = [];
  return {
    asked,
    async *open(offset: number) {
      asked.push(offset);
      for (let at = offset; at < bytes.length; at += chunk) yield bytes.subarray(at, at + chunk);
    },
  };
}
const write = (open: (offset: number) => AsyncIterable<Uint8Array>, more = {}) =>
  writeVerified(files, '/file', expected, open, differs, more);

test('a file is written whole, and each byte is told twice', async () => {
  let told = 0;
  const result = await write(source().open, {
    onBytes(count: number) {
      told += count;
    },
  });
  expect(result).toEqual({ fetched: content.length, resumed: 0 });
  expect(readFileSync(join(folder, 'file')).equals(content)).toBe(true);
  expect([told, readdirSync(folder)]).toEqual([2 * content.length, ['file']]);
});

test('an empty file', async () => {
  const empty = { size: 0, digest: digestOf(Buffer.alloc(0)) };
  await writeVerified(files, '/empty', empty, source(Buffer.alloc(0)).open, differs);
  expect(readFileSync(join(folder, 'empty')).length).toBe(0);
});

test('what is there is continued from any byte, in chunks of any size', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 0, max: content.length }),
      fc.integer({ min: 4096, max: 6_000_000 }),
      async (there, chunk) => {
        writeFileSync(partial(), content.subarray(0, there));
        expect(partialSize(files, '/file', expected)).toBe(there);
        const from = source(content, chunk);
        expect(await write(from.open)).toEqual({ fetched: content.length - there, resumed: there });
        expect(from.asked).toEqual(there === content.length ? [] : [there]);
        expect(readFileSync(join(folder, 'file')).equals(content)).toBe(true);
        rmSync(join(folder, 'file'));
      },
    ),
    {
      numRuns: 25,
      examples: [
        [0, 4096],
        [content.length, 4096],
        [4096 * 1024 + 1, 4096],
        [8191, 5000],
      ],
    },
  );
});

test('a beginning that is another one is thrown away once', async () => {
  writeFileSync(partial(), Buffer.alloc(5_000_000));
  const from = source();
  expect(await write(from.open)).toEqual({ fetched: 2 * content.length - 5_000_000, resumed: 0 });
  expect(from.asked).toEqual([5_000_000, 0]);
});

test('more than there should be is no beginning', async () => {
  writeFileSync(partial(), Buffer.concat([content, Buffer.from('x')]));
  expect(partialSize(files, '/file', expected)).toBe(0);
  expect((await write(source().open)).fetched).toBe(content.length);
});

test.each<[string, Buffer]>([
  ['another byte', Buffer.concat([content.subarray(0, -1), Buffer.from('x')])],
  ['less', content.subarray(0, -1)],
  ['more', Buffer.concat([content, Buffer.alloc(5_000_000)])],
])('%s is refused, and what was there before stays', async (_, bytes) => {
  writeFileSync(join(folder, 'file'), 'before');
  await expect(write(source(bytes).open)).rejects.toMatchObject({ code: 'DIFFERS' });
  expect([readdirSync(folder), readFileSync(join(folder, 'file'), 'utf8')]).toEqual([['file'], 'before']);
});

test.each<[string, () => unknown, boolean]>([
  ['the network', () => new KairosError('GONE', 'gone', { exit: 'network' }), true],
  ['the user', () => new KairosError('INTERRUPTED', 'stop', { exit: 'interrupted' }), true],
  ['a defect', () => new Error('defect'), true],
  ['a source that is wrong', () => new KairosError('BAD', 'bad', { exit: 'corruptSource' }), false],
])('a copy that %s stops', async (_, failure, keeps) => {
  const failed = failure();
  await expect(
    write(async function* () {
      yield content.subarray(0, 5_000_000);
      throw failed;
    }),
  ).rejects.toBe(failed as Error);
  expect(existsSync(partial()) ? readFileSync(partial()).length : 0).toBe(keeps ? 5_000_000 : 0);
  if (keeps) expect(readFileSync(partial()).equals(content.subarray(0, 5_000_000))).toBe(true);
});

test('a signal stops between two chunks', async () => {
  const controller = new AbortController();
  const stopping = write(
    async function* () {
      yield content.subarray(0, 5_000_000);
      controller.abort();
      yield content.subarray(5_000_000);
    },
    { signal: controller.signal },
  );
  await expect(stopping).rejects.toMatchObject({ code: 'INTERRUPTED' });
  expect(readFileSync(partial()).length).toBe(5_000_000);
});

test('a disk that gives back something else is told, and nothing is kept', async () => {
  writeFileSync(join(folder, 'rotten'), Buffer.alloc(content.length));
  let asked = 0;
  const rotting: HostFiles = {
    ...files,
    // Asked for its name, for writing, then for reading back.
    real: (path) => (path.endsWith('.partial') && ++asked === 3 ? join(folder, 'rotten') : files.real(path)),
  };
  const writing = writeVerified(rotting, '/file', expected, source().open, differs);
  await expect(writing).rejects.toMatchObject({
    code: 'READ_BACK_DIFFERS',
    exit: 'unsuitableDisk',
    details: { path: '/file', position: 0 },
  });
  expect(readdirSync(folder)).toEqual(['rotten']);
});

test('a full disk is told with what is on it, not with what was on its way', async () => {
  symlinkSync('/dev/full', partial());
  await expect(write(source().open)).rejects.toMatchObject({
    ...{ code: 'NO_SPACE', exit: 'noSpace', details: { written: 0 } },
    message: 'No space left for /file: 8.6 MiB of 8.6 MiB are missing',
  });
  expect(readdirSync(folder)).toEqual([]);
});

test('a file system in memory, which may not be read directly', async () => {
  const memory = mkdtempSync('/dev/shm/verified-');
  try {
    await writeVerified(filesBelow(memory), '/file', expected, source().open, differs);
    expect(readFileSync(join(memory, 'file')).equals(content)).toBe(true);
  } finally {
    rmSync(memory, { recursive: true });
  }
});
