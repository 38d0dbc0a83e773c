import { expect, test } from 'bun:test';
import {
  allFlavors,
  compareReleases,
  detectFlavor,
  flavorNamed,
  flavorRelease,
  packagesFor,
} from './flavor.ts';

test('the flavors of the support matrix are there and only Debian claims to be booted', () => {
  expect(allFlavors().map(({ name }) => name)).toEqual([
    'alpine',
    'arch',
    'debian',
    'fedora',
    'opensuse',
    'rocky',
    'ubuntu',
  ]);
  for (const flavor of allFlavors()) {
    const booted = flavor.releases.filter(({ status }) => status === 'booted').map(({ version }) => version);
    expect(booted).toEqual(flavor.name === 'debian' ? ['13', '12'] : []);
    expect(flavor.inits.every((init) => flavor.packages[init] !== undefined)).toBe(true);
  }
});

test.each([
  [{ ID: 'debian', VERSION_ID: '13' }, 'debian', '13'],
  [{ ID: 'ubuntu', VERSION_ID: '24.04', ID_LIKE: 'debian' }, 'ubuntu', '24.04'],
  [
    { ID: 'linuxmint', VERSION_ID: '22', ID_LIKE: 'ubuntu debian', UBUNTU_CODENAME: 'noble' },
    'ubuntu',
    '24.04',
  ],
  [{ ID: 'linuxmint', VERSION_ID: '6', ID_LIKE: 'debian', DEBIAN_CODENAME: 'bookworm' }, 'debian', '12'],
  [{ ID: 'other', VERSION_ID: '22', ID_LIKE: 'ubuntu debian' }, 'ubuntu', '22'],
  [{ ID: 'almalinux', VERSION_ID: '9.6', ID_LIKE: 'rhel centos fedora' }, 'rocky', '9'],
  [{ ID: 'nobara', VERSION_ID: '42', ID_LIKE: 'rhel centos fedora' }, 'rocky', '42'],
  [{ ID: 'opensuse-leap', VERSION_ID: '15.6', ID_LIKE: 'suse opensuse' }, 'opensuse', 'leap-15.6'],
  [{ ID: 'alpine', VERSION_ID: '3.21.4' }, 'alpine', '3.21'],
  [{ ID: 'manjaro', ID_LIKE: 'arch' }, 'arch', 'rolling'],
])('%p is %s %s', (release, name, wanted) => {
  const flavor = detectFlavor(release, 'dir:x');
  expect(flavor.name).toBe(name);
  expect(flavorRelease(flavor, release)).toBe(wanted);
});

test('an unknown distribution is an error with a way out', () => {
  expect(() => detectFlavor({ ID: 'plan9' }, 'dir:x')).toThrow(
    'dir:x is "plan9", for which there is no flavor',
  );
  expect(() => detectFlavor({}, 'dir:x')).toThrow('has no /etc/os-release that names a distribution');
  expect(() => flavorNamed('debain')).toThrow('did you mean "debian"?');
});

test.each([
  ['24.04', '24.10', -1],
  ['9', '10', -1],
  ['leap-15.6', 'leap-16.0', -1],
  ['13', '13', 0],
  ['rolling', '13', 1],
])('release %s against %s', (a, b, sign) => {
  expect(Math.sign(compareReleases(a, b))).toBe(sign);
});

test('a package name takes the architecture', () => {
  expect(packagesFor(flavorNamed('debian'), 'kernel', '13', 'arm64')).toContain('linux-image-arm64');
});

test('every release that is named has one kernel', () => {
  for (const flavor of allFlavors()) {
    for (const { version } of flavor.releases) {
      const kernels = packagesFor(flavor, 'kernel', version, 'amd64').filter((name) =>
        /^(linux-image-|linux-lts$|linux$|kernel-core$|kernel-default$)/.test(name),
      );
      expect([flavor.name, version, kernels.length]).toEqual([flavor.name, version, 1]);
    }
  }
});
