import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openImage } from './open-image.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'open-image-'));
  mkdirSync(join(folder, 'root'));
  writeFileSync(join(folder, 'text'), 'hello\n');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test.each([
  ['text', '', 'it is neither an OCI layout nor an archive'],
  ['root', 'dir:', 'the folder has no image.json'],
])('%s is not called a container image', async (name, scheme, reason) => {
  const uri = `${scheme}${join(folder, name)}`;
  await expect(openImage(uri)).rejects.toMatchObject({
    code: 'NO_BOOT_FORM',
    exit: 'unsuitableImage',
    message: `${uri} is no OS image: ${reason}`,
  });
});
