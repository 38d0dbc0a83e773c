import { afterEach, beforeEach, expect, test } from 'bun:test';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { withFile } from './image.ts';
import { verityRootHash } from './verity-tree.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'verity-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** What cryptsetup makes of it, data and tree in one file. */
function format(blocks: number, ...more: string[]): { file: string; split: number; root: string } {
  const file = join(folder, 'image');
  const split = blocks * 4096;
  writeFileSync(
    file,
    Buffer.from(Uint8Array.from({ length: split }, (_, index) => (index * 7 + (index >> 12)) & 255)),
  );
  const { stdout, stderr } = Bun.spawnSync([
    'veritysetup',
    'format',
    file,
    file,
    `--hash-offset=${split}`,
    `--data-blocks=${blocks}`,
    ...more,
  ]);
  const root = /^Root hash:\s*([0-9a-f]+)/m.exec(stdout.toString())?.[1];
  if (root === undefined) throw new Error(stderr.toString());
  return { file, split, root };
}

const compute = ({ file, split }: { file: string; split: number }) =>
  withFile(file, (read, size) =>
    verityRootHash(read, { offset: 0, size: split }, { offset: split, size: size - split }, 'the image'),
  );

test.each([
  [1, []],
  [2, []],
  [128, []],
  [129, []],
  [300, ['--salt=-']],
  [16_400, ['--salt=00ff']],
  [300, ['--hash=sha512']],
  [300, ['--hash-block-size=1024', '--data-block-size=4096']],
] as [number, string[]][])('%d blocks with %j: the root hash of cryptsetup', (blocks, more) => {
  const image = format(blocks, ...more);
  expect(compute(image)).toBe(image.root);
});

test('one flipped bit anywhere is found', () => {
  const image = format(300);
  const good = readFileSync(image.file);
  const size = good.length;
  // Data, each level of the tree; the superblock's own fields are covered by the root hash.
  for (const at of [0, image.split - 1, image.split + 4096, size - 4096, image.split + 4096 + 3 * 32]) {
    const bad = Buffer.from(good);
    bad[at] = (bad[at] ?? 0) ^ 1;
    writeFileSync(image.file, bad);
    let root: string | undefined;
    try {
      root = compute(image);
    } catch (error) {
      expect(error).toMatchObject({ code: 'VERITY_MISMATCH' });
    }
    expect(root).not.toBe(image.root);
  }
});

test.each<[string, (bytes: Buffer, at: number) => void, string]>([
  ['no superblock', (bytes, at) => bytes.fill(0, at, at + 8), 'it has no superblock'],
  ['another version', (bytes, at) => void bytes.writeUInt32LE(2, at + 8), 'its version is not 1'],
  ['an unknown hash', (bytes, at) => void bytes.write('md5\0', at + 32), 'is no hash'],
  ['a block size of 0', (bytes, at) => void bytes.writeUInt32LE(0, at + 64), '0 is no block size'],
  [
    'more blocks than there are',
    (bytes, at) => void bytes.writeBigUInt64LE(1n << 40n, at + 72),
    'which the data does not have',
  ],
  ['a long salt', (bytes, at) => void bytes.writeUInt16LE(60_000, at + 80), 'its salt is too long'],
])('%s is refused', (_, damage, reason) => {
  const image = format(10);
  const bytes = readFileSync(image.file);
  damage(bytes, image.split);
  writeFileSync(image.file, bytes);
  expect(() => compute(image)).toThrow(
    expect.objectContaining({ code: 'VERITY_INVALID', message: expect.stringContaining(reason) }),
  );
});
