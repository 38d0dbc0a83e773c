import { afterEach, beforeEach, expect, test } from 'bun:test';
import {
  chmodSync,
  chownSync,
  existsSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { directoryHost } from '@kairos/host/directory';
import type { ContentSource } from '@kairos/oci/content';
import { keepLayers } from './kept-layers.ts';
import { makePrivate } from './private-place.ts';

const root = process.geteuid?.() === 0;
let folder: string;
let work: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'private-place-'));
  work = join(folder, 'work');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const make = () => makePrivate(directoryHost(folder), '/work');

test('what is not there is made for its owner alone', () => {
  make();
  expect(statSync(work).mode & 0o7777).toBe(0o700);
  make();
});

test.each([
  [0o755, true],
  [0o1777, true],
  [0o777, false],
  [0o775, false],
])('a directory of mode %o: %p', (mode, usable) => {
  mkdirSync(work);
  chmodSync(work, mode);
  if (usable) make();
  else expect(make).toThrow('/work cannot be used for work: others may write to it');
});

test('an own link to an own directory may be used', () => {
  mkdirSync(join(folder, 'elsewhere'));
  symlinkSync('elsewhere', work);
  make();
});

test.skipIf(!root)("somebody else's directory or link is refused", () => {
  mkdirSync(work);
  chownSync(work, 12345, 12345);
  expect(make).toThrow('/work cannot be used for work: it belongs to somebody else');
  rmSync(work, { recursive: true });
  mkdirSync(join(folder, 'elsewhere'));
  symlinkSync('elsewhere', work);
  lchownSync(work, 12345, 12345);
  expect(make).toThrow('it belongs to somebody else');
});

test.skipIf(!root)('layers are not kept behind a link of somebody else, and nothing is removed there', () => {
  const precious = join(folder, 'etc/precious');
  mkdirSync(join(folder, 'etc'));
  writeFileSync(precious, '');
  mkdirSync(work);
  symlinkSync('../etc', join(work, 'layers'));
  lchownSync(join(work, 'layers'), 12345, 12345);
  const far = { name: 'registry', blobFrom: () => [] } as unknown as ContentSource;
  expect(() => keepLayers(directoryHost(folder), far, [], '/work')).toThrow('it belongs to somebody else');
  expect(existsSync(precious)).toBe(true);
});
