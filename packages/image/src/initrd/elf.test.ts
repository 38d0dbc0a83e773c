import { describe, expect, test } from 'bun:test';
import { KairosError } from '@kairos/facts/errors';
import fc from 'fast-check';
import { readElf, readModuleInfo } from './elf.ts';
import { syntheticElf } from './synthetic-elf.ts';

describe('readElf', () => {
  test('reads loader, libraries and search path', () => {
    const bytes = syntheticElf({
      interpreter: '/lib64/ld-linux-x86-64.so.2',
      needed: ['libdevmapper.so.1.02.1', 'libc.so.6'],
      runpath: '$ORIGIN/../lib:/opt/lib',
    });
    expect(readElf(bytes, 'dmsetup')).toEqual({
      architecture: 'amd64',
      interpreter: '/lib64/ld-linux-x86-64.so.2',
      needed: ['libdevmapper.so.1.02.1', 'libc.so.6'],
      searchPath: ['$ORIGIN/../lib', '/opt/lib'],
    });
  });

  test('a static executable needs nothing', () => {
    expect(readElf(syntheticElf({ machine: 183 }), 'busybox')).toEqual({
      architecture: 'arm64',
      interpreter: undefined,
      needed: [],
      searchPath: [],
    });
    expect(readElf(syntheticElf({ machine: 8 }), 'mips').architecture).toBeUndefined();
  });
});

test('reads what a module says of itself', () => {
  const bytes = syntheticElf({ moduleInfo: ['firmware=a/b.bin', 'license=GPL', 'firmware=c.fw', 'noise'] });
  expect([...readModuleInfo(bytes, 'x.ko')]).toEqual([
    ['firmware', ['a/b.bin', 'c.fw']],
    ['license', ['GPL']],
  ]);
});

test('refuses what is no ELF file, with its name and size', () => {
  expect(() => readElf(new TextEncoder().encode('#!/bin/sh'), 'script')).toThrow(
    'Cannot read script (9 bytes): it is not a little-endian 64-bit ELF file',
  );
});

test('a damaged file is an error that names it, never another one', () => {
  const good = syntheticElf({
    interpreter: '/lib/ld',
    needed: ['a', 'b'],
    runpath: '/x',
    moduleInfo: ['a=b'],
  });
  const damaged = fc.record({
    length: fc.nat({ max: good.length }),
    writes: fc.array(fc.tuple(fc.nat({ max: good.length - 1 }), fc.nat({ max: 255 })), { maxLength: 8 }),
  });
  fc.assert(
    fc.property(damaged, ({ length, writes }) => {
      const bytes = good.slice(0, length);
      for (const [at, value] of writes) if (at >= 4 && at < length) bytes[at] = value;
      for (const reader of [readElf, readModuleInfo]) {
        try {
          reader(bytes, 'damaged');
        } catch (error) {
          expect(error).toBeInstanceOf(KairosError);
        }
      }
    }),
    { numRuns: 300 },
  );
});
