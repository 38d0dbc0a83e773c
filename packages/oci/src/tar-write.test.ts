import { afterEach, beforeEach, expect, test } from 'bun:test';
import {
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sha256Of } from './digest.ts';
import { directoryEntries, tarDirectory } from './tar-directory.ts';
import { entryHeader, writeTar } from './tar-write.ts';
import { collect, failure, streamOf } from './test-content.ts';

let folder: string;
beforeEach(() => {
  process.umask(0o022);
  folder = mkdtempSync(join(tmpdir(), 'tar-write-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const file = { type: 'file', mode: 0o644, modified: 0 } as const;

test('a header is plain ustar unless something does not fit', () => {
  const blocks = (more: object) => entryHeader({ ...file, path: 'a', ...more }).length / 512;
  expect(blocks({})).toBe(1);
  expect(blocks({ path: `${'d'.repeat(100)}/${'f'.repeat(99)}` })).toBe(1);
  expect(blocks({ path: 'f'.repeat(101) })).toBe(3);
  expect(blocks({ path: 'ä' })).toBe(3);
  expect(blocks({ uid: 0o7777777 })).toBe(1);
  expect(blocks({ uid: 0o7777777 + 1 })).toBe(3);
  expect(blocks({ size: 2 ** 33 - 1 })).toBe(1);
  expect(blocks({ size: 2 ** 33 })).toBe(3);
});

test('a header byte for byte', () => {
  const header = entryHeader({
    ...file,
    path: 'dir/file',
    mode: 0o4755,
    uid: 1,
    gid: 2,
    size: 3,
    modified: 4,
  }).toString('latin1');
  expect(header.replaceAll('\0', '.')).toBe(
    `dir/file${'.'.repeat(92)}0004755.0000001.0000002.00000000003.00000000004.010634. 0${'.'.repeat(100)}ustar.00${'.'.repeat(64)}0000000.0000000.${'.'.repeat(167)}`,
  );
});

test('a file that is not as long as it was is told', async () => {
  for (const size of [2, 4]) {
    const archive = collect(writeTar([{ ...file, path: 'a', size, content: streamOf('abc') }]));
    expect((await failure(archive))[0]).toBe('TAR_SIZE_CHANGED');
  }
});

function makeTree(at: string, order: readonly string[]) {
  for (const name of order) {
    if (name.endsWith('/')) mkdirSync(join(at, name), { recursive: true });
    else if (name.startsWith('link')) symlinkSync('a', join(at, name));
    else writeFileSync(join(at, name), name);
  }
  linkSync(join(at, 'b'), join(at, 'z'));
  chmodSync(join(at, 'b'), 0o600);
  for (const name of ['d', 'a', 'b', 'd/é']) utimesSync(join(at, name), 2_000_000_000, 2_000_000_000);
  utimesSync(join(at, 'B'), 5, 5.9);
}

test('a tree gives the same bytes in whatever order it was made', async () => {
  const names = ['d/', 'a', 'b', 'B', 'd/é', 'd/z', 'link'];
  const digests: string[] = [];
  for (const [index, order] of [names, ['d/', ...names.slice(1).reverse()]].entries()) {
    const at = join(folder, String(index));
    mkdirSync(at);
    makeTree(at, order);
    digests.push(sha256Of(await collect(tarDirectory(at, { latest: 100 }))));
  }
  expect(digests[0]).toBe(digests[1] as string);
});

test('entries of a tree', () => {
  makeTree(folder, ['d/', 'a', 'b', 'B', 'd/é', 'd/z', 'link']);
  const entries = [...directoryEntries(folder, { latest: 100, exclude: (path) => path === 'd/z' })];
  expect(
    entries.map(({ path, type, mode, modified, linkName, size }) => [
      path,
      type,
      path === 'link' ? 0 : mode,
      modified,
      linkName,
      size,
    ]),
  ).toEqual([
    ['B', 'file', 0o644, 5, undefined, 1],
    ['a', 'file', 0o644, 100, undefined, 1],
    ['b', 'file', 0o600, 100, undefined, 1],
    ['d', 'directory', 0o755, 100, undefined, undefined],
    ['d/é', 'file', 0o644, 100, undefined, 4],
    ['link', 'symlink', 0, 100, 'a', undefined],
    ['z', 'hardlink', 0o600, 100, 'b', undefined],
  ]);
});
