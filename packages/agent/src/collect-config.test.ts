import { afterEach, beforeEach, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DirectoryHost, directoryHost } from '@kairos/host/directory';
import fc from 'fast-check';
import { collectConfig, mergeValues } from './collect-config.ts';

let folder: string;
let host: DirectoryHost;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'collect-'));
  host = directoryHost(folder);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test.each([
  [{ a: { b: 1, c: 2 } }, { a: { c: 3 } }, { a: { b: 1, c: 3 } }],
  [{ a: [1, 2] }, { a: [2, 3] }, { a: [1, 2, 3] }],
  [{ a: [{ n: 1 }] }, { a: [{ n: 1 }] }, { a: [{ n: 1 }, { n: 1 }] }],
  [
    { a: 'x', l: [1], m: { k: 1 }, n: 4 },
    { a: null, l: null, m: null, n: null },
    { a: '', l: [], m: {}, n: 0 },
  ],
  [{ a: null }, { a: [1] }, { a: [1] }],
  [{ a: null }, { a: null }, { a: null }],
  [{ a: ['x'] }, { a: [{ n: 1 }] }, { a: ['x', { n: 1 }] }],
])('%j and %j give %j', (earlier, later, merged) => {
  expect(mergeValues(earlier, later, '')).toEqual(merged);
});

test('different kinds are refused by name', () => {
  expect(() => mergeValues({ install: { device: 'auto' } }, { install: { device: [] } }, '')).toThrow(
    'install.device is a scalar in one file and a list in a later one',
  );
});

test('merging with nothing changes nothing', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
      expect(mergeValues(value, {}, '')).toEqual(value);
      expect(mergeValues({}, value, '')).toEqual(value);
    }),
  );
});

test('directories in their order, files last; what does not count is told', () => {
  host.files.write('/oem/b/2.yml', '#cloud-config\nhostname: second\n');
  host.files.write('/oem/a.yaml', '# note\n#cloud-config\nhostname: first\nusers: [{name: a}]\n');
  host.files.write('/oem/notes.txt', '#cloud-config\nhostname: never\n');
  host.files.write('/oem/c.yaml', 'hostname: headerless\n');
  host.files.write('/oem/d.yaml', '#cloud-config\na: [1\n');
  host.files.write('/oem/e.yaml', '#cloud-config\n- list\n');
  host.files.write('/live/z.yaml', '#cloud-config\nhostname: zero\n');
  host.files.write('/tmp/given.yaml', '#cloud-config\ninstall: {auto: true}\n');
  const collected = collectConfig(host, {
    directories: ['/live', '/oem', '/nothing'],
    files: ['/tmp/given.yaml'],
  });
  expect(collected.config).toEqual({ hostname: 'second', users: [{ name: 'a' }], install: { auto: true } });
  expect(collected.documents.map(({ file }) => file)).toEqual([
    '/live/z.yaml',
    '/oem/a.yaml',
    '/oem/b/2.yml',
    '/tmp/given.yaml',
  ]);
  expect(collected.warnings.map((warning) => warning.split(' is left out: ')[0])).toEqual([
    '/oem/c.yaml',
    '/oem/d.yaml',
    '/oem/e.yaml',
  ]);
});

test.each([
  ['hostname: x\n', '/given.yaml:1:1: none of the first lines is #cloud-config'],
  ['#cloud-config\n- a\n', '/given.yaml:2:1: expected a mapping, found a list'],
  ['#cloud-config\na: [1\n', '/given.yaml:3:1: '],
])('a named file %j is refused', (text, message) => {
  host.files.write('/given.yaml', text);
  expect(() => collectConfig(host, { directories: [], files: ['/given.yaml'] })).toThrow(message);
});

test('a named file must be there', () => {
  expect(() => collectConfig(host, { directories: [], files: ['/none.yaml'] })).toThrow(
    'There is no file /none.yaml',
  );
});
