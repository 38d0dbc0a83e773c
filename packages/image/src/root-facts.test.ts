import { expect, test } from 'bun:test';
import { debianRoot, type Entries, fixtureRoots } from './fixture-root.ts';
import { detectArchitecture, detectInit, filledRoles, installedPackages } from './root-facts.ts';

const rootOf = fixtureRoots();

test.each([
  ['systemd behind a link', debianRoot, 'systemd'],
  ['sysvinit', { 'sbin/init': '!', 'etc/inittab': 'x' }, 'sysvinit'],
  [
    'OpenRC with busybox',
    { 'sbin/init': '-> /bin/busybox', 'bin/busybox': '!', 'sbin/openrc-run': '!', 'etc/inittab': 'x' },
    'openrc',
  ],
  ['nothing', { 'etc/passwd': '' }, undefined],
  ['a link out of the root', { 'sbin/init': '-> /../../../bin/sh' }, undefined],
] as [string, Entries, string | undefined][])('init: %s', (_name, entries, init) => {
  expect(detectInit(rootOf(entries)) as string | undefined).toBe(init);
});

test('architecture by a program', () => {
  expect(detectArchitecture(rootOf(debianRoot))).toBe('amd64');
  expect(detectArchitecture(rootOf({ 'bin/sh': `!\x7fELF${'\0'.repeat(14)}\xb7\0` }))).toBe('arm64');
  expect(detectArchitecture(rootOf({}))).toBeUndefined();
});

test('packages that are installed, not those that were removed', () => {
  expect([...installedPackages(rootOf(debianRoot))]).toEqual(['bash']);
  expect([...installedPackages(rootOf({ 'lib/apk/db/installed': 'C:x\nP:musl\nV:1\n\nP:bash\n' }))]).toEqual([
    'musl',
    'bash',
  ]);
  expect([...installedPackages(rootOf({ 'var/lib/pacman/local/linux-firmware-1.2-3/desc': '' }))]).toEqual([
    'linux-firmware',
  ]);
});

test('roles are judged by what is there', () => {
  expect([...filledRoles(rootOf(debianRoot), 'amd64')].sort()).toEqual([
    'base',
    'grub-bios',
    'grub-efi',
    'grub-signed',
    'grub-tools',
    'initrd-thin',
    'kernel',
    'network',
    'ssh',
    'storage',
    'systemd',
  ]);
  expect([...filledRoles(rootOf({}), 'amd64')].sort()).toEqual(['base', 'network', 'ssh', 'storage']);
});
