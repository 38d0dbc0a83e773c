import { afterAll, expect, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { directoryHost } from '@kairos/host/directory';
import type { FilesystemType } from './filesystem.ts';
import { fixtureRoot } from './fixture-root.ts';
import { seededHex, seededUuid } from './identity.ts';
import { makeRootImage } from './root-image.ts';

const { tree, remove } = fixtureRoot({ 'etc/name': 'x', 'usr/data': 'y'.repeat(4097), link: '-> etc/name' });
afterAll(remove);

test.each<[FilesystemType, readonly string[], string]>([
  ['erofs', ['mkfs.erofs', 'veritysetup'], ''],
  ['squashfs', ['mksquashfs', 'veritysetup'], ''],
  [
    'ext4',
    ['find', 'mke2fs', 'dumpe2fs', 'debugfs', 'e2fsck', 'resize2fs', 'veritysetup'],
    // Two directories, a link, a file of one block and one of two, each with a block of its own; 64 MiB beside.
    String(Math.ceil((2 + 1 + 2 + 3) * 1.15) + 16384),
  ],
])('%s: made with the identifiers of the seed, then hashed', async (type, programs, blocks) => {
  const output = `${tree.root}.img`;
  const host = directoryHost('/', {
    run([program = '']) {
      if (/^(mkfs\.erofs|mksquashfs|mke2fs)$/.test(program)) writeFileSync(output, new Uint8Array(8192));
      return { stdout: program === 'veritysetup' ? `Root hash: ${'ab'.repeat(32)}\n` : '' };
    },
  });
  const told: string[] = [];
  try {
    const verity = await makeRootImage(host, tree, {
      ...{ type, compression: 'fast', kernelVersion: '6.1.0', seed: 'seed', epoch: 1700000000, output },
      step(name, message, action) {
        told.push(`${name}: ${message}`);
        return action();
      },
    });
    expect([verity.salt, verity.dataBlocks]).toEqual([seededHex('seed', 'verity salt'), 2]);
  } finally {
    host.files.remove(output);
  }
  expect(told).toEqual([
    `filesystem: making the root file system (${type})`,
    'verity: hashing 8.0 KiB with dm-verity',
  ]);
  expect(host.commands.map(([program]) => program)).toEqual([...programs]);
  const words = host.commands.flat();
  expect(words).toContain(`--uuid=${seededUuid('seed', 'verity')}`);
  if (type === 'ext4') {
    expect(words).toContain('--date=@1700000000');
    expect(words).toContain(seededUuid('seed', 'file system'));
    expect(host.commands.find(([program]) => program === 'mke2fs')?.at(-1)).toBe(blocks);
  }
});
