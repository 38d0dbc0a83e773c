import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KairosError } from '@kairos/facts/errors';
import { checkOutputFile } from './output-file.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'output-'));
  writeFileSync(join(folder, 'file'), '');
  mkdirSync(join(folder, 'directory'));
  symlinkSync('/dev/null', join(folder, 'link-to-device'));
  symlinkSync('nowhere', join(folder, 'link-to-nothing'));
  symlinkSync('loop', join(folder, 'loop'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function refusal(action: () => void): [string, string] | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    if (error instanceof KairosError) return [error.code, error.exit];
    throw error;
  }
}

test.each([
  ['file', undefined],
  ['not-there', undefined],
  ['link-to-nothing', undefined],
  ['directory', ['OUTPUT_IS_DIRECTORY', 'usage']],
  ['link-to-device', ['OUTPUT_IS_DEVICE', 'usage']],
  ['loop', ['OUTPUT_NOT_WRITABLE', 'failure']],
  ['file/below', ['OUTPUT_NOT_WRITABLE', 'notFound']],
] as const)('%s as an output', (name, expected) => {
  expect(refusal(() => checkOutputFile(join(folder, name)))).toEqual(
    expected as [string, string] | undefined,
  );
});

test('a device is never an output', () => {
  expect(refusal(() => checkOutputFile('/dev/null'))).toEqual(['OUTPUT_IS_DEVICE', 'usage']);
});
