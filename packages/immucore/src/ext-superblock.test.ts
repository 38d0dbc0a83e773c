import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { copyFileSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parseExtSuperblock, superblockPlace } from './ext-superblock.ts';
import { testFolder } from './test-folder.ts';

let folder: string;
beforeAll(() => {
  folder = testFolder('superblock');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const uuid = '6c7e3f1a-0b2d-4c58-9e11-aabbccddeeff';
const now = Date.now() / 1000;

function run(...argv: string[]) {
  const { exitCode, stdout, stderr } = Bun.spawnSync(argv);
  return { exitCode, text: `${stdout}${stderr}` };
}

function made(type: string, ...options: string[]): string {
  const path = join(folder, `${type}-${options.join('')}.img`);
  const done = run('mke2fs', '-q', '-F', '-t', type, '-L', 'COS_OEM', '-U', uuid, ...options, path, '16M');
  expect(done.exitCode).toBe(0);
  return path;
}

function superblockOf(path: string, at = now) {
  const { offset, length } = superblockPlace;
  return parseExtSuperblock(readFileSync(path).subarray(offset, offset + length), at);
}

test.each([
  ['ext2', []],
  ['ext3', []],
  ['ext4', []],
  ['ext4', ['-O', '64bit,metadata_csum']],
  ['ext4', ['-b', '1024', '-O', '^has_journal']],
] as const)('%s %j is read as blkid and mke2fs say', (type, options) => {
  const path = made(type, ...options);
  expect(superblockOf(path)).toEqual({
    type,
    label: 'COS_OEM',
    uuid,
    size: statSync(path).size,
    clean: true,
  });
  expect(run('blkid', '-p', '-o', 'export', path).text).toContain(`TYPE=${type}\n`);
});

describe('clean is what e2fsck says', () => {
  const edited = (name: string, ...requests: string[]) => {
    const path = join(folder, `${name}.img`);
    copyFileSync(made('ext4'), path);
    for (const request of requests) expect(run('debugfs', '-w', '-R', request, path).exitCode).toBe(0);
    return path;
  };
  const saysClean = (path: string) => {
    const { exitCode, text } = run('e2fsck', '-p', path);
    return exitCode === 0 && text.includes(': clean, ');
  };

  test.each([
    ['untouched', [], true],
    ['not unmounted', ['ssv state 0'], false],
    ['with an error noted', ['ssv state 3'], false],
    ['mounted often enough', ['ssv mnt_count 20', 'ssv max_mnt_count 20'], false],
    ['mounted not yet often enough', ['ssv mnt_count 19', 'ssv max_mnt_count 20'], true],
    ['mounted without limit', ['ssv mnt_count 90', 'ssv max_mnt_count -1'], true],
    ['checked long ago', ['ssv lastcheck 20200101', 'ssv checkinterval 86400'], false],
  ] as const)('%s', (name, requests, clean) => {
    const path = edited(name, ...requests);
    expect(superblockOf(path)?.clean).toBe(clean);
    expect(saysClean(path)).toBe(clean);
  });

  test('with a journal to replay', () => {
    const path = edited('journal', 'feature needs_recovery');
    expect(superblockOf(path)?.clean).toBe(false);
  });

  test('checked in the future, by a clock that was wrong', () => {
    const path = edited('future', 'ssv checkinterval 86400');
    expect(superblockOf(path, now - 10 * 86400)?.clean).toBe(false);
  });
});

test('what is no file system of its own', () => {
  expect(parseExtSuperblock(new Uint8Array(1024), now)).toBeUndefined();
  expect(parseExtSuperblock(new Uint8Array(100), now)).toBeUndefined();
  const journal = join(folder, 'journal-device.img');
  expect(
    run('mke2fs', '-q', '-O', 'journal_dev', '-b', '4096', '-L', 'COS_OEM', journal, '16M').exitCode,
  ).toBe(0);
  const bytes = readFileSync(journal);
  expect(parseExtSuperblock(bytes.subarray(1024, 2048), now)).toBeUndefined();
});
