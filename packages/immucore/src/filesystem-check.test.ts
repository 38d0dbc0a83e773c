import { expect, test } from 'bun:test';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { directoryHost } from '@kairos/host/directory';
import { checkCommand, checkFilesystem, needsNoCheck } from './filesystem-check.ts';
import { testFolder } from './test-folder.ts';

const device = (type: string) => ({
  path: '/dev/vda6',
  type,
  label: '',
  uuid: '',
  partitionName: '',
  partitionUuid: '',
});

test.each([
  ['ext4', 'auto', 'preen', 'e2fsck -p /dev/vda6'],
  ['ext2', 'force', 'yes', 'e2fsck -y -f /dev/vda6'],
  ['ext3', 'auto', 'no', 'e2fsck -n /dev/vda6'],
  ['ext4', 'skip', 'yes', undefined],
  ['vfat', 'auto', 'preen', 'fsck.vfat -a /dev/vda6'],
  ['vfat', 'auto', 'no', 'fsck.vfat -n /dev/vda6'],
  ['xfs', 'force', 'yes', undefined],
  ['', 'auto', 'preen', undefined],
] as const)('%s, fsck.mode=%s fsck.repair=%s', (type, mode, repair, command) => {
  expect(checkCommand(device(type), { mode, repair })?.join(' ')).toBe(command as string);
});

const check = { mode: 'auto', repair: 'preen' } as const;

test.each([
  [0, undefined],
  [1, undefined],
  [2, undefined],
  [4, '/dev/vda6 has errors that the check did not repair (boot once with fsck.repair=yes): '],
  [8, '/dev/vda6 has errors that the check did not repair (boot once with fsck.repair=yes): '],
] as const)('a check that ends with %d', async (code, problem) => {
  const host = directoryHost('/nowhere', { run: () => ({ code, stderr: 'why' }) });
  const found = await checkFilesystem(host, device('ext4'), check);
  if (problem === undefined) expect(found).toBeUndefined();
  else expect(found).toBe(`${problem}e2fsck -p /dev/vda6 exited with ${code}: why`);
});

test('a missing program is told', async () => {
  expect(await checkFilesystem(directoryHost('/nowhere'), device('ext4'), check)).toBe(
    '/dev/vda6 was not checked: e2fsck is not installed',
  );
});

test('a clean file system is not checked unless the command line says so', () => {
  const folder = testFolder('check');
  try {
    mkdirSync(join(folder, 'dev'));
    const path = join(folder, 'dev/vda6');
    expect(Bun.spawnSync(['mke2fs', '-q', '-t', 'ext4', path, '16M']).exitCode).toBe(0);
    const host = directoryHost(folder);
    const asked = (type: string, mode: 'auto' | 'force' | 'skip') =>
      needsNoCheck(host, device(type), { mode, repair: 'preen' });
    expect([asked('ext4', 'auto'), asked('ext4', 'force'), asked('vfat', 'auto')]).toEqual([
      true,
      false,
      false,
    ]);
    expect(Bun.spawnSync(['debugfs', '-w', '-R', 'ssv state 0', path]).exitCode).toBe(0);
    expect(asked('ext4', 'auto')).toBe(false);
    rmSync(path);
    expect(asked('ext4', 'auto')).toBe(false);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
