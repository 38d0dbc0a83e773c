import { afterEach, beforeEach, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../run-tool.ts';
import { BlockDisk } from './block-disk.ts';
import { crc32c, replayed } from './ext4-journal.ts';
import { Ext4View } from './ext4-view.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ext4-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const start = 1024 * 1024;
function diskOf(image: string): BlockDisk {
  const bytes = readFileSync(image);
  const disk = new BlockDisk(start + bytes.length);
  disk.write(start, bytes);
  return disk;
}

test('reads what mke2fs wrote: names, sizes, holes, many extents', () => {
  const tree = join(folder, 'tree');
  mkdirSync(join(tree, 'cOS/active'), { recursive: true });
  const large = Buffer.alloc(3_000_001);
  for (let at = 0; at < large.length; at += 200_000) large.write(`piece ${at}`, at);
  writeFileSync(join(tree, 'cOS/active/root.img'), large);
  writeFileSync(join(tree, 'empty'), '');
  for (let index = 0; index < 300; index++) writeFileSync(join(tree, `cOS/file-${index}`), `${index}`);
  const image = join(folder, 'image');
  run('mke2fs', '-q', '-t', 'ext4', '-L', 'COS_STATE', '-d', tree, image, '64M');
  const view = new Ext4View(diskOf(image), start);
  expect([view.label, view.needsRecovery, view.blockSize]).toEqual(['COS_STATE', false, 1024]);
  expect(view.readFile('/cOS/active/root.img')?.equals(large)).toBe(true);
  expect(view.readFile('/empty')?.length).toBe(0);
  expect(view.readFile('/cOS/file-299')?.toString()).toBe('299');
  expect(view.readFile('/cOS/active')).toBeUndefined();
  expect(view.lookup('/cOS/none/at/all')).toBeUndefined();
  const cos = view.lookup('/cOS');
  expect(cos && [...view.list(cos).keys()].length).toBe(301);
});

test('a disk without an ext4 is refused', () => {
  expect(() => new Ext4View(new BlockDisk(1 << 20), 0)).toThrow('there is no ext4');
});

test.each(['1024', '4096'])('a content key tells content apart, with blocks of %s', (size) => {
  const image = join(folder, 'image');
  const tree = join(folder, 'tree');
  mkdirSync(tree);
  writeFileSync(join(tree, 'a'), Buffer.alloc(10_000, 1));
  run('mke2fs', '-q', '-t', 'ext4', '-b', size, '-d', tree, image, '64M');
  const disk = diskOf(image);
  const key = () => {
    const view = new Ext4View(disk, start);
    const inode = view.lookup('/a');
    return inode && view.contentKey(inode);
  };
  const before = key();
  expect(key()).toBe(before);
  const view = new Ext4View(disk, start);
  const [place = 0] = view.blockOffsets(view.inode(view.lookup('/a')?.number ?? 0));
  disk.write(place, Buffer.alloc(512, 2));
  expect(key()).not.toBe(before);
});

test('CRC-32C by its check value', () => {
  // RFC 3720, B.4: e3069283, which is inverted at the end.
  expect((crc32c(0xffffffff, Buffer.from('123456789')) ^ 0xffffffff) >>> 0).toBe(0xe3069283);
});

test.each(['', 'metadata_csum', '^metadata_csum,^64bit'])(
  'a journal is replayed as e2fsck does it (%s)',
  (features) => {
    const image = join(folder, 'image');
    const [first, second, escaped] = ['first', 'second', 'escaped'].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    run('mke2fs', '-q', '-t', 'ext4', '-b', '4096', ...(features ? ['-O', features] : []), image, '64M');
    // Blocks of the data area, which nothing else uses.
    writeFileSync(first, Buffer.concat([Buffer.alloc(4096, 0x11), Buffer.alloc(4096, 0x22)]));
    writeFileSync(second, Buffer.alloc(4096, 0x33));
    // A block that begins like one of the journal's is kept in another form.
    writeFileSync(escaped, Buffer.concat([Buffer.from('c03b3998', 'hex'), Buffer.alloc(4092, 0x44)]));
    const commands = join(folder, 'commands');
    writeFileSync(
      commands,
      [
        `jo${features.includes('^') ? '' : ' -c'}`,
        `jw -b 12000,12001 ${first}`,
        `jw -b 12001 ${second}`,
        `jw -b 12002 ${escaped}`,
        // What was revoked is not written by what came before.
        'jw -r 12000',
        'jc',
      ].join('\n'),
    );
    run('debugfs', '-w', '-f', commands, image);
    const disk = diskOf(image);
    expect(new Ext4View(disk, start).needsRecovery).toBe(true);
    const ours = replayed(disk, start).disk;
    run('e2fsck', '-y', '-E', 'journal_only', image);
    const theirs = readFileSync(image);
    for (const block of [12000, 12001, 12002]) {
      expect(
        Buffer.from(ours.read(start + block * 4096, 4096)).equals(
          theirs.subarray(block * 4096, (block + 1) * 4096),
        ),
      ).toBe(true);
    }
    expect(ours.read(start + 12000 * 4096, 1)[0]).toBe(0);
    expect(ours.read(start + 12001 * 4096, 1)[0]).toBe(0x33);
    // A commit that did not get to the disk whole is none: nothing of its transaction counts.
    expect(Buffer.from(disk.read(start + 12001 * 4096, 4096)).every((byte) => byte === 0)).toBe(true);
  },
);
