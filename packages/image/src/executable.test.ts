import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KairosError } from '@kairos/facts/errors';
import { machineHost } from '@kairos/host/machine';
import { type ExecutableKind, executableFor, kindOfExecutable } from './executable.ts';
import { syntheticElf } from './initrd/synthetic-elf.ts';

const host = machineHost();
const glibc = '/lib64/ld-linux-x86-64.so.2';
const musl = '/lib/ld-musl-x86_64.so.1';
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'executable-'));
  for (const name of ['alone', 'release']) mkdirSync(join(folder, name));
  writeFileSync(join(folder, 'script'), '#!/bin/sh\n');
  writeFileSync(join(folder, 'alone/kairos'), syntheticElf({ interpreter: glibc }));
  writeFileSync(join(folder, 'release/kairos'), syntheticElf({ interpreter: glibc }));
  writeFileSync(join(folder, 'release/kairos-linux-amd64-musl'), syntheticElf({ interpreter: musl }));
  // A name that lies is not believed.
  writeFileSync(join(folder, 'release/kairos-linux-arm64-glibc'), syntheticElf({ interpreter: glibc }));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('what an executable is made for', () => {
  test.each<[string, Uint8Array, ExecutableKind | undefined]>([
    ['x86 with glibc', syntheticElf({ interpreter: glibc }), { architecture: 'amd64', libc: 'glibc' }],
    ['x86 with musl', syntheticElf({ interpreter: musl }), { architecture: 'amd64', libc: 'musl' }],
    [
      'ARM with glibc',
      syntheticElf({ machine: 183, interpreter: '/lib/ld-linux-aarch64.so.1' }),
      { architecture: 'arm64', libc: 'glibc' },
    ],
    ['one without a linker runs everywhere', syntheticElf(), undefined],
    ['a machine that is not ours', syntheticElf({ machine: 8, interpreter: glibc }), undefined],
    ['cut within the headers', syntheticElf({ interpreter: glibc }).subarray(0, 100), undefined],
    ['a script', Buffer.from('#!/bin/sh\n'), undefined],
    ['nothing', new Uint8Array(), undefined],
  ])('%s', (_, bytes, kind) => {
    expect(kindOfExecutable(bytes)).toEqual(kind);
  });
});

describe('the executable of an image', () => {
  const choose = (named: string, wanted: ExecutableKind) => {
    try {
      return executableFor(host, join(folder, named), wanted).slice(folder.length + 1);
    } catch (error) {
      if (error instanceof KairosError) return `${error.code} ${error.exit}`;
      throw error;
    }
  };
  test.each<[string, ExecutableKind['architecture'], ExecutableKind['libc'], string]>([
    ['alone/kairos', 'amd64', 'glibc', 'alone/kairos'],
    ['alone/kairos', 'amd64', 'musl', 'EXECUTABLE_UNSUITABLE unsuitableImage'],
    ['release/kairos', 'amd64', 'musl', 'release/kairos-linux-amd64-musl'],
    ['release/kairos', 'arm64', 'glibc', 'EXECUTABLE_UNSUITABLE unsuitableImage'],
    ['release/kairos', 'arm64', 'musl', 'EXECUTABLE_UNSUITABLE unsuitableImage'],
    ['script', 'arm64', 'musl', 'script'],
    ['nowhere', 'amd64', 'glibc', 'FILE_NOT_FOUND notFound'],
  ])('%s for %s with %s', (named, architecture, libc, expected) => {
    expect(choose(named, { architecture, libc })).toBe(expected);
  });
});
