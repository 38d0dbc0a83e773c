import { afterEach, beforeEach, expect, test } from 'bun:test';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ImageManifest } from '@kairos/facts/image-manifest';
import { filesBelow } from '@kairos/host/files';
import type { HostFiles } from '@kairos/host/host';
import { copySlot, type SlotSource, slotInDirectory } from './copy-slot.ts';

let folder: string;
let files: HostFiles;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'slot-'));
  files = filesBelow(folder);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const contents: Record<string, Buffer> = {
  'root.img': Buffer.alloc(1_500_000, 'r'),
  vmlinuz: Buffer.from('kernel'),
  'image.json': Buffer.from('{}'),
  initrd: Buffer.from('initrd'),
};

function source(given: Record<string, Buffer> = contents, opened: string[] = []): SlotSource {
  const entries = Object.entries(contents).filter(([name]) => name !== 'image.json');
  return {
    source: 'the image',
    manifest: {
      files: Object.fromEntries(
        entries.map(([name, bytes]) => [
          name,
          { size: bytes.length, digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}` },
        ]),
      ),
    } as unknown as ImageManifest,
    files: new Map(Object.entries(contents).map(([name, bytes]) => [name, bytes.length])),
    async *open(name) {
      opened.push(name);
      yield given[name] ?? Buffer.alloc(0);
    },
  };
}

test('every file arrives, image.json last, and a slot can be copied on', async () => {
  const opened: string[] = [];
  let bytes = 0;
  const onBytes = (count: number) => {
    bytes += count;
  };
  await copySlot(files, source(contents, opened), '/state/cOS/active', { onBytes });
  expect(opened).toEqual(['initrd', 'root.img', 'vmlinuz', 'image.json']);
  expect(bytes).toBe(2 * Object.values(contents).reduce((sum, { length }) => sum + length, 0));
  const active = slotInDirectory(files, '/state/cOS/active', source());
  await copySlot(files, active, '/state/cOS/passive');
  for (const [name, content] of Object.entries(contents)) {
    expect(readFileSync(join(folder, 'state/cOS/passive', name)).equals(content)).toBe(true);
  }
});

test.each([
  ['another content', Buffer.from('kernal'), 'is not what image.json says'],
  ['a short one', Buffer.from('kern'), 'is not what image.json says'],
])('%s is refused and not kept', async (_, content, message) => {
  const copying = copySlot(files, source({ ...contents, vmlinuz: content }), '/active');
  await expect(copying).rejects.toThrow(message);
  expect(readdirSync(join(folder, 'active')).sort()).toEqual(['initrd', 'root.img']);
});

test('image.json, which has no digest of itself, is checked by its size', async () => {
  const copying = copySlot(files, source({ ...contents, 'image.json': Buffer.from('{} ') }), '/active');
  await expect(copying).rejects.toMatchObject({ code: 'SLOT_DIFFERS', exit: 'corruptSource' });
});

test('all files and their names are on the disk before image.json says that they are', async () => {
  const synced: string[] = [];
  const recording: HostFiles = {
    ...files,
    sync(path) {
      synced.push(path);
      files.sync(path);
    },
  };
  let before: string[] | undefined;
  const given = source();
  const asked: SlotSource = {
    ...given,
    open(name) {
      if (name === 'image.json') before = [...synced];
      return given.open(name);
    },
  };
  await copySlot(recording, asked, '/active');
  expect(before).toEqual(['/active/initrd', '/active/root.img', '/active/vmlinuz', '/active']);
});

test('a disk that gives back something else is told', async () => {
  writeFileSync(join(folder, 'rotten'), 'x');
  let asked = 0;
  const rotting: HostFiles = {
    ...files,
    // First asked for its name, then for writing, then for reading back.
    real: (path) => (path.includes('/initrd.') && ++asked === 3 ? join(folder, 'rotten') : files.real(path)),
  };
  await expect(copySlot(rotting, source(), '/active')).rejects.toThrow('does not read back as written');
});
