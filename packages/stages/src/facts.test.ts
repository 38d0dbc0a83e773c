import { afterEach, beforeEach, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { directoryHost } from '@kairos/host/directory';
import { stageFacts } from './facts.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'facts-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test.each([
  ['systemd', { '/sbin/init': '-> ../lib/systemd/systemd', '/usr/bin/systemctl': '' }, 'systemd'],
  ['sysvinit beside systemctl', { '/sbin/init': '', '/usr/bin/systemctl': '' }, undefined],
  ['OpenRC', { '/sbin/init': '-> /bin/busybox', '/sbin/openrc': '' }, 'openrc'],
  ['no init, as in a container', { '/usr/bin/systemctl': '' }, 'systemd'],
  ['nothing', {}, undefined],
] as const)('service manager: %s', (_, files, manager) => {
  const host = directoryHost(folder);
  for (const [path, content] of Object.entries(files) as [string, string][]) {
    if (content.startsWith('-> ')) host.files.symlink(content.slice(3), path);
    else host.files.write(path, content);
  }
  expect(stageFacts(host).serviceManager).toBe(manager);
});
