import { expect, test } from 'bun:test';
import { chooseFilesystem, filesystemCommand } from './filesystem.ts';
import type { KernelFeatures } from './kernel.ts';

const kernel = { version: '6.12.1', image: '/boot/vmlinuz', config: undefined };
const having = (...modules: string[]): KernelFeatures => ({
  option: () => undefined,
  hasModule: (name) => modules.includes(name),
});

test.each([
  [['erofs', 'squashfs', 'ext4'], 'erofs'],
  [['squashfs', 'ext4'], 'squashfs'],
  [['ext4'], 'ext4'],
] as const)('a kernel with %p gets %s', (modules, type) => {
  expect(chooseFilesystem(kernel, having(...modules), undefined)).toBe(type);
});

test('a wish is taken or refused, never replaced', () => {
  expect(chooseFilesystem(kernel, having('erofs', 'ext4'), 'ext4')).toBe('ext4');
  expect(() => chooseFilesystem(kernel, having('squashfs'), 'erofs')).toThrow(
    'Kernel 6.12.1 cannot read erofs; it reads squashfs',
  );
  expect(() => chooseFilesystem(kernel, having(), undefined)).toThrow('reads none of erofs, squashfs, ext4');
});

const options = { kernelVersion: '6.12.1', epoch: 1700000000, uuid: 'u' } as const;

test('the same time and UUID are given to every program', () => {
  for (const type of ['erofs', 'squashfs', 'ext4'] as const) {
    expect(
      filesystemCommand('/r', '/o', { ...options, type, compression: 'best' }).env.SOURCE_DATE_EPOCH,
    ).toBe('1700000000');
  }
  expect(filesystemCommand('/r', '/o', { ...options, type: 'erofs', compression: 'best' }).argv).toEqual([
    'mkfs.erofs',
    '--quiet',
    '-zlz4hc',
    '-C65536',
    '-Uu',
    '/o',
    '/r',
  ]);
});

test.each([
  ['5.10.0-30-amd64', false],
  ['5.13.0', true],
  ['6.1.0-40-amd64', true],
  ['4.18.0-553.el8', false],
])('kernel %s reads large clusters: %p', (kernelVersion, large) => {
  const { argv } = filesystemCommand('/r', '/o', {
    ...options,
    kernelVersion,
    type: 'erofs',
    compression: 'fast',
  });
  expect(argv.includes('-C65536')).toBe(large);
});
