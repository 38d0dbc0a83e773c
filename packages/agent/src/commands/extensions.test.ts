import { afterEach, beforeEach, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { directoryHost } from '@kairos/host/directory';
import { installExtensions } from './extensions.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'extensions-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('what a killed run left is removed, and what another run is fetching is not', async () => {
  const host = { ...directoryHost(folder), which: () => '/usr/bin/systemd-sysext' };
  const store = '/var/lib/kairos/extensions';
  const killed = Bun.spawn(['true']);
  await killed.exited;
  const names = [`.incoming-${process.ppid}`, `.incoming-${killed.pid}`, '.incoming-', '.incoming-x'];
  for (const name of names) host.files.write(`${store}/${name}/half.raw`, '');
  const installed = installExtensions(host, 'file:/nope.raw', {
    ...{ kind: 'sysext', tell: () => undefined, warn: () => undefined },
  });
  await expect(installed).rejects.toMatchObject({ code: 'SOURCE_NOT_FOUND' });
  expect(host.files.list(store)).toEqual([`.incoming-${process.ppid}`]);
});
