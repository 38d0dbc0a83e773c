import { expect, test } from 'bun:test';
import type { Host } from './host.ts';
import { requirePrograms } from './required-programs.ts';

const hostWith = (...programs: string[]) =>
  ({ which: (name: string) => (programs.includes(name) ? `/usr/bin/${name}` : undefined) }) as Host;

test('everything that is missing is told at once, with the packages that bring it', () => {
  expect(() => requirePrograms(hostWith('tar'), ['mmd', 'tar', 'mkfs.erofs', 'mcopy', 'zstd'])).toThrow(
    expect.objectContaining({
      code: 'TOOL_MISSING',
      exit: 'missingTool',
      message: 'Programs are missing: mmd, mkfs.erofs, mcopy, zstd',
      hint: 'On Debian and Ubuntu: apt-get install erofs-utils mtools zstd',
    }),
  );
});

test('what is there is given with its path', () => {
  expect([...requirePrograms(hostWith('tar', 'zstd'), ['zstd', 'tar'])]).toEqual([
    ['zstd', '/usr/bin/zstd'],
    ['tar', '/usr/bin/tar'],
  ]);
});
