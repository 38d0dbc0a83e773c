import { afterEach, beforeEach, expect, test } from 'bun:test';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { directoryHost } from '@kairos/host/directory';
import type { Host } from '@kairos/host/host';
import { runProgram } from '@kairos/host/run';
import { collectConfig } from '../collect-config.ts';
import { installWith } from '../commands/install.ts';
import { providersOf } from './node-providers.ts';
import { pair } from './pairing.ts';
import { qrCode } from './qr-code.ts';

let folder: string;
let shown: string[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pairing-'));
  shown = [];
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const machine = (): Host => ({
  ...directoryHost(folder, { uid: process.getuid?.() ?? 0 }),
  uid: 0,
  run: (argv, options) =>
    argv[0].includes('agent-provider-')
      ? runProgram(argv, options)
      : Promise.resolve({ stdout: '', stderr: '', code: 0 }),
});

/** A plug-in that answers the token `the token` and then `cc`. */
function plugin(cc: string): void {
  const directory = join(folder, 'system/providers');
  mkdirSync(directory, { recursive: true });
  writeFileSync(
    join(directory, 'answer'),
    JSON.stringify({ data: JSON.stringify({ cc, device: '/dev/ignored' }) }),
  );
  const path = join(directory, 'agent-provider-mesh');
  writeFileSync(
    path,
    `#!/bin/sh
case $1 in
  agent.install.challenge) cat >${folder}/challenge; echo '{"data":"the token"}' ;;
  agent.install) cat >${folder}/install; cat ${directory}/answer ;;
esac
`,
  );
  chmodSync(path, 0o755);
}

async function paired(host: Host) {
  const collected = await collectConfig(host, { directories: ['/oem'], files: [] });
  const node = providersOf(host, collected, { searchPath: '', warn: (message) => shown.push(message) });
  return pair(node, (text) => shown.push(text));
}

test('without a plug-in it is said what can be done', async () => {
  await expect(paired(machine())).rejects.toMatchObject({
    code: 'INSTALL_NOT_ASKED',
    exit: 'wrongState',
    hint: expect.stringContaining('kairos-agent interactive-install'),
  });
});

test('the token is shown, and what comes takes the place of whole keys', async () => {
  const host = machine();
  host.files.write(
    '/oem/a.yaml',
    '#cloud-config\ninstall: {device: /dev/sda, poweroff: true}\nhostname: kept\n',
  );
  plugin('#cloud-config\ninstall: {device: /dev/vdb}\n');
  const collected = await paired(host);
  expect(collected.config).toEqual({ install: { device: '/dev/vdb' }, hostname: 'kept' });
  expect(collected.documents.map(({ file }) => file)).toEqual(['/oem/a.yaml', 'the paired machine']);
  expect(shown).toHaveLength(1);
  expect(shown[0]).toStartWith(qrCode('the token'));
  const sent = JSON.parse(JSON.parse(readFileSync(join(folder, 'install'), 'utf8')).data);
  expect(sent).toEqual({ token: 'the token', config: expect.stringContaining('hostname: kept') });
});

test.each([
  ['broken YAML', 'a: [', 'PAIRED_CONFIG_INVALID'],
  ['a list', '- a\n', 'PAIRED_CONFIG_INVALID'],
  ['nothing', '', 'ANSWER_INVALID'],
])('%s from the other machine is refused', async (_, cc, code) => {
  plugin(cc);
  await expect(paired(machine())).rejects.toMatchObject({ code });
});

test('a document without a header and without keys changes nothing', async () => {
  const host = machine();
  host.files.write('/oem/a.yaml', '#cloud-config\nhostname: kept\n');
  plugin('# nothing\n');
  expect((await paired(host)).config).toEqual({ hostname: 'kept' });
});

test('an installation goes on with what was paired, and is checked as any other', async () => {
  const host = machine();
  const asked: string[] = [];
  const parts = {
    openSource: async (_: Host, uri: string) => {
      throw new Error(`opened ${uri}`);
    },
    runStage: async () => undefined,
    pair: async () => {
      asked.push('paired');
      return paired(host);
    },
  };
  const install = (more = {}) =>
    installWith(host, { unattended: true, onProgress: () => undefined, ...more }, parts);
  plugin('#cloud-config\ninstall: {source: "oci:theirs"}\nusers: [{name: a, groups: [admin]}]\n');
  await expect(install()).rejects.toThrow('opened oci:theirs');
  plugin('#cloud-config\ninstall: {source: "oci:theirs"}\n');
  await expect(install()).rejects.toMatchObject({ code: 'NO_ADMIN_USER' });
  expect(asked).toEqual(['paired', 'paired']);
  await expect(install({ dryRun: true })).rejects.toMatchObject({ code: 'NO_ADMIN_USER' });
  host.files.write(
    '/oem/a.yaml',
    '#cloud-config\ninstall: {auto: true, source: "oci:own"}\nusers: [{name: a, groups: [admin]}]\n',
  );
  await expect(install()).rejects.toThrow('opened oci:own');
  expect(asked).toEqual(['paired', 'paired']);
});

test('a token that no QR code holds is shown as it is', () => {
  const long = 'x'.repeat(3000);
  expect(qrCode(long)).toBe(`${long}\n`);
  expect(qrCode('x'.repeat(2953))).not.toContain('x');
});
