import { expect, test } from 'bun:test';
import { debianRoot, fixtureRoots } from './fixture-root.ts';
import { compareVersions, findKernels, hasFeature, kernelFeatures, selectKernel } from './kernel.ts';

const rootOf = fixtureRoots();

test.each([
  ['6.12.9', '6.12.10', -1],
  ['6.12.1+deb13-amd64', '6.1.0-40-amd64', 1],
  ['6.12', '6.12', 0],
  ['6.12.1-rpi', '6.12.1-generic', 1],
])('%s against %s is %d', (a, b, sign) => {
  expect(Math.sign(compareVersions(a, b))).toBe(sign);
  expect(Math.sign(compareVersions(b, a))).toBe(sign === 0 ? 0 : -sign);
});

const modulesOf = (version: string) => ({ [`lib/modules/${version}/modules.dep`]: '' });

test.each([
  [
    'Debian',
    { ...modulesOf('6.12.1-amd64'), 'boot/vmlinuz-6.12.1-amd64': 'x' },
    '/boot/vmlinuz-6.12.1-amd64',
  ],
  [
    'Fedora',
    { ...modulesOf('6.17.4-200.fc43.x86_64'), 'lib/modules/6.17.4-200.fc43.x86_64/vmlinuz': 'x' },
    '/lib/modules/6.17.4-200.fc43.x86_64/vmlinuz',
  ],
  ['Alpine', { ...modulesOf('6.12.1-0-lts'), 'boot/vmlinuz-lts': 'x' }, '/boot/vmlinuz-lts'],
  ['Arch', { ...modulesOf('6.12.1-arch1-1'), 'boot/vmlinuz-linux': 'x' }, '/boot/vmlinuz-linux'],
  [
    'openSUSE on arm64',
    { ...modulesOf('6.4.0-default'), 'boot/Image-6.4.0-default': 'x' },
    '/boot/Image-6.4.0-default',
  ],
  ["a kernel of one's own", { ...modulesOf('6.9.0'), 'boot/bzImage': 'x' }, '/boot/bzImage'],
])('%s', (_name, entries, image) => {
  expect(findKernels(rootOf(entries))[0]?.image).toBe(image);
});

test('the newest kernel with modules is taken', () => {
  const tree = rootOf({
    ...modulesOf('6.12.9'),
    ...modulesOf('6.12.10'),
    'boot/vmlinuz-6.12.9': 'x',
    'boot/vmlinuz-6.12.10': 'x',
    'boot/vmlinuz-7.0.0': 'without modules',
  });
  expect(selectKernel(tree, 'dir:x').version).toBe('6.12.10');
});

test.each([
  [
    'nothing',
    {},
    'KERNEL_MISSING',
    'has no kernel: nothing like vmlinuz in /boot, and nothing in /lib/modules',
  ],
  ['modules only', modulesOf('6.1'), 'KERNEL_MISSING', 'has modules for 6.1 and no kernel image'],
  [
    'an image only',
    { 'boot/vmlinuz-6.1': 'x' },
    'KERNEL_WITHOUT_MODULES',
    'has /boot/vmlinuz-6.1 and no modules',
  ],
])('a root with %s', (_name, entries, code, message) => {
  expect(() => selectKernel(rootOf(entries), 'dir:x')).toThrow(
    expect.objectContaining({ code, exit: 'unsuitableImage', message: expect.stringContaining(message) }),
  );
});

test('features come from the configuration and from modules', () => {
  const tree = rootOf({
    ...debianRoot,
    'usr/lib/modules/6.12.1/modules.builtin': 'kernel/drivers/block/brd.ko\n',
  });
  const features = kernelFeatures(tree, selectKernel(tree, 'x'));
  expect(features.option('EFI_STUB')).toBe('y');
  expect(features.option('BTRFS_FS')).toBe('n');
  expect(features.hasModule('dm_verity')).toBe(true);
  expect(features.hasModule('brd')).toBe(true);
  expect(hasFeature(features, 'BTRFS_FS', 'btrfs')).toBe(false);
  // Configured as a module that the distribution packs apart.
  expect(hasFeature(features, 'DM_CRYPT', 'not-installed')).toBe(false);
});

test('an empty file is no kernel', () => {
  const tree = rootOf({
    ...modulesOf('6.12.9'),
    ...modulesOf('6.12.10'),
    'boot/vmlinuz-6.12.9': 'x',
    'boot/vmlinuz-6.12.10': '',
  });
  expect(findKernels(tree).map(({ version }) => version)).toEqual(['6.12.9']);
  const empty = rootOf({ ...modulesOf('6.12.9'), 'boot/vmlinuz-6.12.9': '', 'boot/vmlinuz': '' });
  expect(() => selectKernel(empty, 'dir:x')).toThrow(
    expect.objectContaining({ code: 'KERNEL_MISSING', exit: 'unsuitableImage' }),
  );
});
