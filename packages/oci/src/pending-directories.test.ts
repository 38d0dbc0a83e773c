import { afterEach, beforeEach, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PendingDirectories } from './pending-directories.ts';
import type { TarEntry } from './tar-read.ts';
import { UnpackRoot } from './unpack-root.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pending-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('what is inside is described before what could close the way to it', () => {
  const places = ['a', 'a/b', 'a/b/c', 'd', 'a-b'];
  const pending = new PendingDirectories(new UnpackRoot(folder, { links: 'refuse', privileged: true }), 'x');
  const entry = { name: '', uid: 0, gid: 0, mode: 0, modified: 0, xattrs: new Map() } as unknown as TarEntry;
  for (const place of places) {
    mkdirSync(join(folder, place));
    pending.add(place, entry);
  }
  const described: string[] = [];
  pending.finish((path) => described.push(path.slice(folder.length + 1)));
  expect(described.toSorted()).toEqual(places.toSorted());
  expect(described.filter((place) => place.startsWith('a/') || place === 'a')).toEqual(['a/b/c', 'a/b', 'a']);
});
