import { afterEach, beforeEach, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { directoryHost } from '@kairos/host/directory';
import type { HostFiles } from '@kairos/host/host';
import { reasonNotToFit } from './release.ts';
import {
  checkExtensionName,
  disableExtension,
  enableExtension,
  findExtension,
  removeExtension,
  storedExtensions,
} from './store.ts';

let folder: string;
let files: HostFiles;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'store-'));
  ({ files } = directoryHost(folder));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));
const store = '/var/lib/kairos/extensions';

test('enable, disable, remove', () => {
  files.write(`${store}/k3s-1.raw`, 'image');
  files.write(`${store}/notes.txt`, '');
  files.write(`${store}/.incoming-1/half.raw`, '');
  expect(enableExtension(files, 'sysext', 'active', 'k3s-1.raw')).toBe(true);
  expect(enableExtension(files, 'sysext', 'active', 'k3s-1.raw')).toBe(false);
  enableExtension(files, 'sysext', 'common', 'k3s-1.raw');
  expect(files.readLink(`${store}/active/k3s-1.raw`)).toBe(`${store}/k3s-1.raw`);
  expect(storedExtensions(files, 'sysext')).toEqual([
    { name: 'k3s-1.raw', path: `${store}/k3s-1.raw`, size: 5, profiles: ['active', 'common'] },
  ]);
  expect(storedExtensions(files, 'confext')).toEqual([]);
  expect(disableExtension(files, 'sysext', 'passive', 'k3s-1.raw')).toBe(false);
  expect(removeExtension(files, 'sysext', 'k3s-1.raw')).toEqual(['active', 'common']);
  expect(storedExtensions(files, 'sysext')).toEqual([]);
});

test('a link whose image is gone is listed as such', () => {
  files.symlink(`${store}/lost.raw`, `${store}/active/lost.raw`);
  expect(storedExtensions(files, 'sysext')).toMatchObject([
    { name: 'lost.raw', size: undefined, profiles: ['active'] },
  ]);
});

test('which one is meant', () => {
  for (const name of ['k3s.raw', 'k3s-agent.raw', 'tools.raw']) files.write(`${store}/${name}`, '');
  const find = (wanted: string) => findExtension(files, 'sysext', wanted).name;
  expect([find('k3s'), find('k3s.raw'), find('^too'), find('agent')]).toEqual([
    'k3s.raw',
    'k3s.raw',
    'tools.raw',
    'k3s-agent.raw',
  ]);
  expect(() => find('k3.')).toThrow('k3. means several: k3s-agent.raw, k3s.raw');
  expect(() => find('tols')).toThrow(
    expect.objectContaining({ code: 'EXTENSION_NOT_FOUND', exit: 'notFound' }),
  );
  expect(() => find('(')).toThrow(expect.objectContaining({ code: 'EXTENSION_NAME' }));
});

test.each([
  '../x.raw',
  'a/b.raw',
  '.hidden.raw',
  'x',
  'a..raw',
  'a b.raw',
  '-x.raw',
  `${'x'.repeat(300)}.raw`,
])('%s is no name', (name) => {
  expect(() => checkExtensionName(name)).toThrow(expect.objectContaining({ code: 'EXTENSION_NAME' }));
});

const host = { ID: 'debian', VERSION_ID: '13' };
test.each([
  [{ ID: 'debian', VERSION_ID: '13' }, undefined],
  [{ ID: '_any' }, undefined],
  [{ ID: '_any', ARCHITECTURE: 'arm64' }, 'it is for arm64, this is x86-64'],
  [{ ID: 'debian', VERSION_ID: '13', ARCHITECTURE: 'x86-64' }, undefined],
  [{ ID: 'debian', VERSION_ID: '12' }, 'it is for debian 12, this is 13'],
  [{ ID: 'debian' }, 'it does not say for which version of debian it is (VERSION_ID or SYSEXT_LEVEL)'],
  [{ ID: 'fedora', VERSION_ID: '13' }, 'it is for fedora, this is debian'],
  [{ VERSION_ID: '13' }, 'it does not say for which distribution it is (ID)'],
  [{ ID: '_any', SYSEXT_SCOPE: 'initrd portable' }, 'it is for initrd portable, not for a system'],
  [{ ID: '_any', SYSEXT_SCOPE: 'initrd system' }, undefined],
])('%j on Debian 13: %s', (release, reason) => {
  expect(reasonNotToFit(release, host, 'sysext', 'amd64')).toBe(reason);
});

test('a level is compared instead of the version where both have one; a rolling host has no version', () => {
  const extension = { ID: 'debian', VERSION_ID: '12', SYSEXT_LEVEL: '2' };
  expect(reasonNotToFit(extension, { ...host, SYSEXT_LEVEL: '2' }, 'sysext', 'amd64')).toBeUndefined();
  expect(reasonNotToFit(extension, { ...host, SYSEXT_LEVEL: '3' }, 'sysext', 'amd64')).toBe(
    'its SYSEXT_LEVEL is 2, that of this system is 3',
  );
  expect(reasonNotToFit(extension, { ...host, SYSEXT_LEVEL: '2' }, 'confext', 'amd64')).toBe(
    'it is for debian 12, this is 13',
  );
  expect(reasonNotToFit({ ID: 'arch' }, { ID: 'arch' }, 'sysext', 'amd64')).toBeUndefined();
});
