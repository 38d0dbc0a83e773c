import { afterEach, beforeEach, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { filesBelow } from './files.ts';
import { removeFatLeftovers, replaceOnFat } from './replace-on-fat.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fat-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('a file is replaced, or made', () => {
  const files = filesBelow(folder);
  for (const text of ['one', 'two']) {
    replaceOnFat(files, '/EFI/BOOT/x.efi', Buffer.from(text));
    expect(files.readText('/EFI/BOOT/x.efi')).toBe(text);
  }
  expect(files.list('/EFI/BOOT')).toEqual(['x.efi']);
});

test('leftovers go, but not one that may share its clusters with a file', () => {
  const files = filesBelow(folder);
  files.write('/d/x.efi', 'live');
  files.write('/d/.12-0.tmp', 'torn');
  files.write('/d/.12-1.tmp', 'live');
  files.write('/d/.config', 'mine');
  removeFatLeftovers(files, '/d');
  expect(files.list('/d')).toEqual(['.12-1.tmp', '.config', 'x.efi']);
});
