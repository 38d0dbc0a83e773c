import { afterEach, beforeEach, expect, test } from 'bun:test';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type DirectoryHost, directoryHost } from '@kairos/host/directory';
import { runStage } from '@kairos/stages/run-stage';
import { bootFactsOf } from './boot-facts.ts';
import { resolveLayout } from './layout.ts';
import { testFolder } from './test-folder.ts';

const shipped = join(import.meta.dir, '../../../system/oem');
let folder: string;
let host: DirectoryHost;
beforeEach(() => {
  folder = testFolder('system');
  const machine = directoryHost(folder, { run: () => ({}) });
  const { files } = machine;
  // Owners need root, which a unit test does not have.
  host = {
    ...machine,
    files: {
      ...files,
      chown: () => undefined,
      write: (path, content, options) =>
        files.write(path, content, options?.mode === undefined ? {} : { mode: options.mode }),
    },
  };
  for (const name of readdirSync(shipped)) {
    host.files.write(`/system/oem/${name}`, readFileSync(join(shipped, name), 'utf8'));
  }
  host.files.write('/etc/passwd', 'root:x:0:0:root:/root:/bin/sh\n');
  host.files.write('/etc/group', 'root:x:0:\n');
  host.files.write('/etc/shadow', 'root:*:1:0:99999:7:::\n');
  host.files.write('/usr/lib/systemd/systemd', '');
  host.files.write('/proc/cmdline', 'root=live:CDLABEL=COS_LIVE install-mode\n');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function run(stage: string, sentinel: string) {
  host.files.write(`/run/cos/${sentinel}`, '1');
  return await runStage(host, stage, { lenient: true, facts: { serviceManager: 'systemd' } });
}

test.each([
  ['root=LABEL=COS_ACTIVE', 'active_mode'],
  ['root=LABEL=COS_PASSIVE', 'passive_mode'],
])('%s: the shipped layout is the built-in one', async (cmdline, sentinel) => {
  const { problems } = await run('rootfs', sentinel);
  expect(problems).toEqual([]);
  const facts = bootFactsOf(cmdline, []);
  const none = { layout: undefined, extra: undefined, custom: undefined };
  const written = { ...none, layout: host.files.readText('/run/cos/cos-layout.env') };
  expect(resolveLayout(written, facts)).toEqual({ layout: resolveLayout(none, facts).layout, problems: [] });
  expect(host.files.readText('/run/cos/extra-layout.env')).toBe('PERSISTENT_STATE_PATHS=/var/lib/systemd\n');
});

test.each(['recovery_mode', 'autoreset_mode', 'unknown'])('%s: nothing persistent', async (sentinel) => {
  expect((await run('rootfs', sentinel)).problems).toEqual([]);
  const { layout, problems } = resolveLayout(
    { layout: host.files.readText('/run/cos/cos-layout.env'), extra: undefined, custom: undefined },
    bootFactsOf('root=LABEL=COS_SYSTEM', []),
  );
  expect([layout.volumes, layout.persistent, layout.overlay, problems]).toEqual([[], [], 'tmpfs:25%', []]);
});

test('live: no layout', async () => {
  expect((await run('rootfs', 'live_mode')).problems).toEqual([]);
  expect(host.files.exists('/run/cos/cos-layout.env')).toBe(false);
});

/** Units that the boot writes for itself. */
const units = () => host.files.list('/run/systemd/system').filter((name) => name.endsWith('.service'));

test.each([
  ['live_mode', ['kairos-installer.service', 'kairos-webui.service']],
  ['autoreset_mode', ['kairos-reset.service']],
  ['active_mode', []],
  ['recovery_mode', []],
] as const)('%s: the units are %j', async (sentinel, expected) => {
  expect((await run('initramfs', sentinel)).problems).toEqual([]);
  expect(units()).toEqual([...expected]);
});

test('an interactive installation is not an unattended one', async () => {
  host.files.write('/proc/cmdline', 'root=live:CDLABEL=COS_LIVE install-mode-interactive\n');
  const asking = ['getty@', 'serial-getty@'].map(
    (name) => `/run/systemd/system/${name}.service.d/20-kairos-interactive.conf`,
  );
  expect(asking.map((path) => host.files.exists(path))).toEqual([false, false]);
  await run('initramfs', 'live_mode');
  expect(units()).toEqual([]);
  expect(asking.map((path) => host.files.exists(path))).toEqual([true, true]);
});
