import { afterEach, beforeEach, expect, test } from 'bun:test';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KairosError } from '@kairos/facts/errors';
import fc from 'fast-check';
import { directoryHost } from './directory.ts';
import { filesBelow } from './files.ts';
import {
  formatGrubEnvironment,
  grubEnvironmentSize,
  parseGrubEnvironment,
  readGrubEnvironment,
  updateGrubEnvironment,
} from './grub-environment.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'grubenv-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const codeOf = (action: () => unknown): string => {
  try {
    action();
  } catch (error) {
    if (error instanceof KairosError) return error.code;
    throw error;
  }
  throw new Error('expected a KairosError');
};

test('has exactly the bytes that GRUB writes', () => {
  const block = formatGrubEnvironment(
    { saved_entry: 'cos', empty: '', extra_cmdline: 'a=b\\c\nd' },
    'grubenv',
  );
  const text = '# GRUB Environment Block\nextra_cmdline=a=b\\\\c\\\nd\nsaved_entry=cos\n';
  expect(Buffer.from(block).toString()).toBe(text.padEnd(grubEnvironmentSize, '#'));
});

test('a block that fills all 1024 bytes has no padding and no second block', () => {
  const room = grubEnvironmentSize - '# GRUB Environment Block\na=\n'.length;
  const block = formatGrubEnvironment({ a: 'x'.repeat(room) }, 'grubenv');
  expect(block.length).toBe(grubEnvironmentSize);
  expect(parseGrubEnvironment(block, 'grubenv')).toEqual({ a: 'x'.repeat(room) });
  expect(codeOf(() => formatGrubEnvironment({ a: 'x'.repeat(room + 1) }, 'grubenv'))).toBe(
    'GRUB_ENVIRONMENT_FULL',
  );
});

test('what is written is what is read', () => {
  const name = fc.stringMatching(/^[a-z_][a-z0-9_]{0,12}$/);
  const value = fc.string({ minLength: 1, maxLength: 40 }).filter((text) => !text.includes('\0'));
  fc.assert(
    fc.property(fc.dictionary(name, value, { maxKeys: 6 }), (variables) => {
      const plain = { ...variables };
      expect(parseGrubEnvironment(formatGrubEnvironment(plain, 'e'), 'e')).toEqual(plain);
    }),
  );
});

test.each([
  ['saved_entry=cos\n', 'the header line is missing'],
  ['', 'the header line is missing'],
  ['# GRUB Environment Block\nsaved_en', 'is not name=value'],
])('%j is refused', (text, reason) => {
  writeFileSync(join(folder, 'grubenv'), text);
  expect(() => readGrubEnvironment(filesBelow(folder), '/grubenv')).toThrow(reason);
});

test('a warning line of grub-editenv is a comment', () => {
  const text = '# GRUB Environment Block\n# WARNING: Do not edit\na=1\n####';
  expect(parseGrubEnvironment(Buffer.from(text), 'e')).toEqual({ a: '1' });
});

test('an update merges, removes and keeps the size', () => {
  const host = directoryHost(folder);
  host.files.makeDirectory('/oem');
  updateGrubEnvironment(host, '/oem/grubenv', { saved_entry: 'cos', next_entry: 'recovery' });
  expect(updateGrubEnvironment(host, '/oem/grubenv', { next_entry: '', extra_cmdline: 'quiet' })).toEqual({
    saved_entry: 'cos',
    extra_cmdline: 'quiet',
  });
  expect(readFileSync(join(folder, 'oem/grubenv')).length).toBe(grubEnvironmentSize);
  expect(readGrubEnvironment(host.files, '/oem/grubenv')).toEqual({
    saved_entry: 'cos',
    extra_cmdline: 'quiet',
  });
  expect(readGrubEnvironment(host.files, '/nothing')).toEqual({});
});

test.each(['9a', 'a-b', ''])('the name %j is refused', (name) => {
  expect(codeOf(() => formatGrubEnvironment({ [name]: 'x' }, 'e'))).toBe('GRUB_VARIABLE_INVALID');
});

test('a block that is replaced keeps its mode', () => {
  const host = directoryHost(folder);
  updateGrubEnvironment(host, '/grubenv', { a: '1' });
  expect(host.files.status('/grubenv')?.mode).toBe(0o644);
  host.files.chmod('/grubenv', 0o600);
  expect(updateGrubEnvironment(host, '/grubenv', { b: '2' })).toEqual({ a: '1', b: '2' });
  expect(host.files.status('/grubenv')?.mode).toBe(0o600);
});
