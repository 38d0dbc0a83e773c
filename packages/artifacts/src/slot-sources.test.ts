import { afterEach, beforeEach, expect, test } from 'bun:test';
import { mkdtempSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { slotFiles } from '@kairos/facts/slot';
import { directoryHost } from '@kairos/host/directory';
import type { BootForm } from '@kairos/oci/boot-form';
import { gatheredSize, gatherSlot, slotNames, slotSize } from './slot-sources.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'slot-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const all = Object.values(slotFiles);
const form = (names: readonly string[], path?: (file: string) => string | undefined) =>
  ({
    source: 'the image',
    files: new Map(names.map((name) => [name, name.length])),
    async *open(file: string) {
      yield new TextEncoder().encode(file);
    },
    ...(path ? { path } : {}),
  }) as unknown as BootForm;

test('all files of a slot must be there, with plain names', () => {
  expect(slotNames(form(all))).toEqual([...all].sort());
  expect(slotNames(form([...all, 'extra.bin']))).toContain('extra.bin');
  expect(() => slotNames(form(all.slice(1)))).toThrow(
    expect.objectContaining({ code: 'SLOT_INCOMPLETE', message: 'the image has no root.img' }),
  );
  for (const name of ['../x', '.x', '-x', 'a b', 'a\nb', 'a/b', '', 'a"b']) {
    expect(() => slotNames(form([...all, name]))).toThrow(
      expect.objectContaining({ code: 'SLOT_FILE_NAME', exit: 'corruptSource' }),
    );
  }
});

test('files are linked where they lie, and copied where they do not', async () => {
  const source = form(all, (file) => (file === 'root.img' ? '/blobs/1' : undefined));
  expect(gatheredSize(source)).toBe(slotSize(source) - 'root.img'.length);
  const seen: unknown[] = [];
  await gatherSlot(directoryHost(folder), source, '/slot', {
    epoch: 0,
    onProgress: (each) => seen.push(each),
  });
  expect(readlinkSync(join(folder, 'slot/root.img'))).toBe('/blobs/1');
  expect(readFileSync(join(folder, 'slot/vmlinuz'), 'utf8')).toBe('vmlinuz');
  expect(seen).toEqual([{ step: 'image', done: slotSize(source), total: slotSize(source) }]);
});

test('a file that is linked is read whole first, so that its digest is checked', async () => {
  const source = {
    ...form(all, () => '/blobs/1'),
    open: () => {
      throw new Error('wrong digest');
    },
  } as unknown as BootForm;
  await expect(gatherSlot(directoryHost(folder), source, '/slot', { epoch: 0 })).rejects.toThrow(
    'wrong digest',
  );
});
