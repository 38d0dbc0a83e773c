import { afterEach, beforeEach, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { directoryHost } from '@kairos/host/directory';
import type { HostFiles } from '@kairos/host/host';
import { linkExtensions } from './extensions.ts';

let folder: string;
let files: HostFiles;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'extensions-'));
  ({ files } = directoryHost(folder));
  for (const unit of ['systemd-sysext', 'systemd-confext']) {
    files.write(`/usr/lib/systemd/system/${unit}.service`, '');
  }
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const store = '/var/lib/kairos/extensions';
const put = (name: string, ...profiles: string[]) => {
  files.write(`${store}/${name}`, name);
  for (const profile of profiles) files.symlink(`${store}/${name}`, `${store}/${profile}/${name}`);
};

test('only what is enabled for this boot is linked, and systemd is asked for it', () => {
  put('a.raw', 'active');
  put('b.raw', 'passive');
  put('c.raw', 'common');
  put('d.raw', 'active', 'common');
  put('e.raw');
  files.write('/var/lib/kairos/confexts/f.raw', '');
  files.symlink('/var/lib/kairos/confexts/f.raw', '/var/lib/kairos/confexts/common/f.raw');
  expect(linkExtensions(files, 'active')).toEqual({ problems: [], note: '4 linked' });
  expect(files.list('/run/extensions')).toEqual(['a.raw', 'c.raw', 'd.raw']);
  expect(files.readLink('/run/extensions/a.raw')).toBe(`${store}/a.raw`);
  expect(files.list('/run/confexts')).toEqual(['f.raw']);
  expect(files.list('/run/systemd/system/sysinit.target.wants')).toEqual([
    'systemd-confext.service',
    'systemd-sysext.service',
  ]);
});

test('without extensions nothing is made', () => {
  put('a.raw', 'passive');
  expect(linkExtensions(files, 'active')).toEqual({ problems: [], note: 'none enabled' });
  expect(files.exists('/run')).toBe(false);
});

test('a link that leads elsewhere, or nowhere, brings nothing of elsewhere into the system', () => {
  files.write('/tmp/evil.raw', 'evil');
  files.symlink('/tmp/evil.raw', `${store}/active/evil.raw`);
  put('good.raw', 'active');
  put('notes.txt', 'active');
  expect(linkExtensions(files, 'active')).toEqual({
    problems: [`the sysext evil.raw is enabled (active), and ${store}/evil.raw is not there`],
    note: '1 linked',
  });
  expect(files.list('/run/extensions')).toEqual(['good.raw']);
});

test('a system that cannot lay them out says so', () => {
  files.remove('/usr/lib/systemd/system');
  put('a.raw', 'recovery');
  expect(linkExtensions(files, 'recovery').problems).toEqual([
    '1 sysext are enabled, and this system has no systemd-sysext.service',
  ]);
});
