import { afterEach, beforeEach, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GiB } from '@kairos/facts/size';
import { type DirectoryHost, directoryHost } from '@kairos/host/directory';
import { type InstallOptions, type InstallParts, installWith } from './install.ts';

let folder: string;
let stages: string[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'install-'));
  stages = [];
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const parts: InstallParts = {
  openSource: async (_, uri) => {
    throw new Error(`opened ${uri}`);
  },
  runStage: async (_, stage) => {
    stages.push(stage);
  },
};
const admin = 'users: [{name: a, groups: [admin]}]\n';

function machine(config: string, cmdline = 'root=live:CDLABEL=COS_LIVE', uid = 0): DirectoryHost {
  const host = directoryHost(folder, {
    uid,
    run: () => ({}),
    disks: [
      {
        ...{
          path: '/dev/vda',
          name: 'vda',
          size: GiB,
          readOnly: false,
          removable: false,
          model: '',
          type: 'disk',
        },
        ...{ partitionTable: '', filesystem: '', label: '', mountPoints: [], partitions: [] },
      },
    ],
  });
  host.files.write('/proc/cmdline', cmdline);
  host.files.write('/oem/config.yaml', `#cloud-config\n${config}`);
  return host;
}

const run = (host: DirectoryHost, more: Partial<InstallOptions> = {}) =>
  installWith(host, { unattended: true, onProgress: () => undefined, ...more }, parts);

test.each<[string, () => DirectoryHost, Partial<InstallOptions>, object]>([
  ['without root', () => machine(admin, '', 1000), {}, { code: 'NOT_ROOT', exit: 'notPermitted' }],
  ['unasked', () => machine(admin), {}, { code: 'INSTALL_NOT_ASKED', exit: 'wrongState' }],
  ['without users', () => machine('install: {auto: true}\n'), {}, { code: 'NO_ADMIN_USER' }],
  [
    'from an installed system without a source',
    () => machine(`install: {auto: true}\n${admin}`, 'root=LABEL=COS_ACTIVE'),
    {},
    { code: 'NOT_LIVE', exit: 'wrongState' },
  ],
  [
    'with both ends',
    () => machine(`install: {auto: true}\n${admin}`),
    { reboot: true, poweroff: true },
    { code: 'REBOOT_AND_POWEROFF', exit: 'usage' },
  ],
  [
    'from a live medium without an image',
    () => machine(`install: {auto: true}\n${admin}`),
    {},
    { code: 'NO_BOOT_FORM', exit: 'notFound' },
  ],
])('an installation %s is refused', async (_, host, options, error) => {
  const refusing = host();
  await expect(run(refusing, options)).rejects.toMatchObject(error);
  expect(refusing.mountLog).toEqual([]);
});

test.each([
  ['--source', { source: 'oci:flag' }, 'oci:flag'],
  ['install.system.source', {}, 'oci:system'],
])('the source is taken from %s first', async (_, options, uri) => {
  const host = machine(
    `install: {auto: true, source: "oci:plain", system: {source: "oci:system"}}\n${admin}`,
  );
  await expect(run(host, options)).rejects.toThrow(`opened ${uri}`);
  expect(stages).toEqual(['kairos-install.pre']);
});

test('a dry run runs no stage', async () => {
  const host = machine(`install: {auto: true, source: "oci:x"}\n${admin}`);
  await expect(run(host, { dryRun: true })).rejects.toThrow('opened oci:x');
  expect(stages).toEqual([]);
});

test('a manual installation reads directories only when asked', async () => {
  const host = machine(`install: {source: "oci:oem"}\n${admin}`);
  host.files.write('/given.yaml', `#cloud-config\ninstall: {source: "oci:given"}\n${admin}`);
  const manual = { unattended: false, configFile: '/given.yaml' };
  await expect(run(host, manual)).rejects.toThrow('opened oci:given');
  host.files.write('/given.yaml', '#cloud-config\n');
  await expect(run(host, manual)).rejects.toMatchObject({ code: 'NO_ADMIN_USER' });
  await expect(run(host, { ...manual, useDefaultDirectories: true })).rejects.toThrow('opened oci:oem');
});

test('programs see the environment of the configuration', async () => {
  const seen: unknown[] = [];
  const host = machine(`env: [HTTP_PROXY=http://proxy:1]\ninstall: {auto: true, source: "oci:x"}\n${admin}`);
  const watching: InstallParts = {
    ...parts,
    runStage: async (inner) => void (await inner.run(['env'])),
  };
  const original = host.run.bind(host);
  host.run = (argv, options) => {
    seen.push(options?.env);
    return original(argv, options);
  };
  await expect(
    installWith(host, { unattended: true, onProgress: () => undefined }, watching),
  ).rejects.toThrow('opened');
  expect(seen).toEqual([{ HTTP_PROXY: 'http://proxy:1' }]);
});
