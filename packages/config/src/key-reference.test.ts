import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { keyEntries, keyReference } from './key-reference.ts';

test('every key says what it is for, in one line', () => {
  expect(
    keyEntries()
      .filter(({ description }) => !/^[^\n.]{3,160}[^\n]*[^\n.]$/.test(description))
      .map(({ path }) => path),
  ).toEqual([]);
});

test('keys at any depth are listed with their types', () => {
  const types = new Map(keyEntries().map(({ path, type }) => [path, type]));
  expect([
    types.get('install.auto'),
    types.get('users[].name'),
    types.get('stages.NAME[].files[].permissions'),
    types.get('stages.NAME[].users.NAME.groups'),
    types.get('p2p.auto.ha.master_nodes'),
    types.get('phonehome.labels'),
  ]).toEqual(['boolean', 'text', 'text', 'list of text or text', 'number', 'map of text']);
});

test('the manual is in step: run scripts/write-key-reference.ts', async () => {
  const manual = await Bun.file(join(import.meta.dir, '../../../docs/cloud-config.md')).text();
  const [, listed] = /<!-- keys -->\n\n(.*)\n\n<!-- end of keys -->/s.exec(manual) ?? [];
  expect(listed).toBe(keyReference());
});
