import { afterEach, beforeEach, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { machineHost } from '@kairos/host/machine';
import { unpackArchive } from './acquire-root.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'acquire-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('an archive of a root may come through a pipe', async () => {
  const content = 'x'.repeat(1_000_000);
  mkdirSync(join(folder, 'from/etc'), { recursive: true });
  writeFileSync(join(folder, 'from/etc/hostname'), content);
  const pipe = join(folder, 'pipe');
  Bun.spawnSync(['mkfifo', pipe]);
  const writer = Bun.spawn(['tar', '-C', join(folder, 'from'), '-czf', pipe, 'etc'], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  mkdirSync(join(folder, 'to'));
  await unpackArchive(machineHost(), pipe, join(folder, 'to'));
  expect(readFileSync(join(folder, 'to/etc/hostname'), 'utf8')).toBe(content);
  expect(await writer.exited).toBe(0);
});

test('a directory is no archive', async () => {
  mkdirSync(join(folder, 'to'));
  const unpacking = unpackArchive(machineHost(), folder, join(folder, 'to'));
  await expect(unpacking).rejects.toMatchObject({ code: 'BASE_NOT_FOUND', exit: 'notFound' });
});
