import { afterEach, beforeEach, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { filesBelow } from './files.ts';
import type { HostFiles } from './host.ts';
import {
  listingFromJson,
  listingToJson,
  listNamed,
  listTree,
  parentOf,
  sizeBelow,
  type TreeEntry,
  type TreeListing,
} from './tree-listing.ts';

let folder: string;
let files: HostFiles;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tree-'));
  files = filesBelow(folder);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const names = (listing: TreeListing) => [...listing.keys()];
const directory: TreeEntry = { type: 'directory', mode: 0o755, uid: 0, gid: 0 };
const file = (size: number): TreeEntry => ({ ...directory, type: 'file', size, sha256: '' });

test('a tree is listed parents first, without what is skipped', () => {
  files.write('/t/b/c', 'abc', { mode: 0o640 });
  files.write('/t/a', '');
  files.write('/t/mounted/x', '');
  files.symlink('/t/b', '/t/link');
  const listing = listTree(files, '/t', new Set(['/t/mounted']));
  expect(names(listing)).toEqual(['.', 'a', 'b', 'b/c', 'link']);
  expect(listing.get('b/c')).toMatchObject({
    ...{ type: 'file', mode: 0o640, size: 3 },
    sha256: 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
  });
  expect(listing.get('link')).toMatchObject({ type: 'symlink', target: '/t/b' });
  expect(names(listTree(files, '/nothing'))).toEqual([]);
});

test('names that are not UTF-8 are left out', () => {
  files.write('/t/a', '');
  writeFileSync(Buffer.concat([Buffer.from(`${folder}/t/`), Buffer.from([0xff, 0xfe])]), 'x');
  expect(names(listTree(files, '/t'))).toEqual(['.', 'a']);
});

test('only what is named is listed, and all of a directory that goes', () => {
  for (const name of ['stays/a', 'stays/own', 'goes/a', 'goes/own', 'own']) files.write(`/t/${name}`, 'x');
  const base = new Map([
    ...([
      ['stays', directory],
      ['stays/a', file(1)],
    ] as const),
    ...([
      ['goes', directory],
      ['goes/a', file(1)],
    ] as const),
  ]);
  const next = new Map([
    ['stays', directory],
    ['stays/a', file(7)],
  ]);
  const listing = listNamed(files, '/t', [base, next]);
  expect(names(listing)).toEqual(['.', 'stays', 'stays/a', 'goes', 'goes/a', 'goes/own']);
});

test('a file of a size that nobody has is not read', () => {
  files.write('/t/a', 'xx');
  files.write('/t/b', 'x');
  const listing = listNamed(files, '/t', [
    new Map([
      ['a', file(1)],
      ['b', file(1)],
    ]),
  ]);
  expect([listing.get('a')?.sha256, listing.get('b')?.sha256?.length]).toEqual([undefined, 64]);
});

test('nothing behind a link is listed', () => {
  files.write('/outside/a', 'x');
  files.symlink('/outside', '/t/d');
  const base = new Map([
    ['d', directory],
    ['d/a', file(1)],
  ]);
  expect(names(listNamed(files, '/t', [base]))).toEqual(['.', 'd']);
});

test('a listing comes back from JSON, with any name', () => {
  const listing = new Map([
    ['__proto__', file(1)],
    ['a\nb', directory],
  ]);
  expect(listingFromJson(JSON.parse(JSON.stringify(listingToJson(listing))))).toEqual(listing);
});

test('what is no listing is none', () => {
  const values: unknown[] = [
    ...[undefined, null, [], 'x', { '/a': directory }, { 'a/../b': directory }, { a: null }],
    ...[{ a: { ...directory, type: 'socket' } }, { a: { ...directory, mode: '755' } }],
  ];
  expect(values.map(listingFromJson)).toEqual(values.map(() => undefined));
});

test('sizes and parents', () => {
  files.write('/t/a', 'xx');
  files.write('/t/d/b', 'xxx');
  files.symlink('a', '/t/l');
  expect(sizeBelow(files, '/t')).toBe(5);
  expect([parentOf('a'), parentOf('a/b/c')]).toEqual(['.', 'a/b']);
});
