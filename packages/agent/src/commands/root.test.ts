import { afterEach, beforeEach, expect, test } from 'bun:test';
import { rmSync } from 'node:fs';
import { directoryHost } from '@kairos/host/directory';
import type { Host } from '@kairos/host/host';
import { sceneFolder } from '../node-scene.ts';
import { bootEntry } from './boot-entry.ts';
import { markBootGood } from './boot-good.ts';
import {
  disableExtensionVerb,
  enableExtensionVerb,
  installExtensions,
  removeExtensionVerb,
} from './extensions.ts';
import { installBundleNow } from './install-bundle.ts';
import { pullImage } from './pull-image.ts';
import { reset } from './reset.ts';
import { cancelReset, resetStatus } from './reset-status.ts';
import { rollback } from './rollback.ts';
import { upgrade } from './upgrade.ts';

let folder: string;
beforeEach(() => {
  folder = sceneFolder();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const nothing = () => undefined;
const silent = { onProgress: nothing, warn: nothing };
const extension = {
  kind: 'sysext',
  name: 'tools',
  profile: 'active',
  now: true,
  warn: nothing,
  tell: nothing,
} as const;

test.each<[string, (host: Host) => Promise<unknown>]>([
  ['upgrade', (host) => upgrade(host, { ...silent, source: 'dir:/x' })],
  ['rollback', (host) => rollback(host, silent)],
  ['reset', (host) => reset(host, silent)],
  ['reset --status', (host) => resetStatus(host, nothing)],
  ['reset --cancel', (host) => cancelReset(host, nothing)],
  ['bootentry', (host) => bootEntry(host)],
  ['boot-good', (host) => markBootGood(host, silent)],
  ['sysext install', (host) => installExtensions(host, 'file:/tools.raw', extension)],
  ['sysext enable', (host) => enableExtensionVerb(host, extension)],
  ['sysext disable', (host) => disableExtensionVerb(host, extension)],
  ['sysext remove', (host) => removeExtensionVerb(host, extension)],
  [
    'install-bundle',
    (host) =>
      installBundleNow(host, 'container://a/b', {
        ...silent,
        workingDirectory: '/',
        tell: nothing,
        now: () => new Date(),
      }),
  ],
  ['pull-image', (host) => pullImage(host, 'a/b', '/target', silent)],
])('%s needs root, and says so before it does anything', async (_, run) => {
  const host = directoryHost(folder, { uid: 1000, run: () => ({}) });
  host.files.write('/proc/cmdline', 'root=LABEL=COS_ACTIVE');
  await expect(run(host)).rejects.toMatchObject({ code: 'NOT_ROOT', exit: 'notPermitted' });
  expect([host.commands, host.mountLog, host.files.list('/')]).toEqual([[], [], ['proc']]);
});
