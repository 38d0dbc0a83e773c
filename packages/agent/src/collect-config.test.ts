import { afterEach, beforeEach, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DirectoryHost, directoryHost } from '@kairos/host/directory';
import { collectConfig } from './collect-config.ts';

let folder: string;
let host: DirectoryHost;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'collect-'));
  host = directoryHost(folder);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('directories, then named files, then the command line; what does not count is told', async () => {
  host.files.write('/oem/b/2.yml', '#cloud-config\nhostname: second\n');
  host.files.write('/oem/a.yaml', '# note\n#cloud-config\nhostname: first\nusers: [{name: a}]\n');
  host.files.write('/oem/c.yaml', 'hostname: headerless\n');
  host.files.write('/oem/d.yaml', '#cloud-config\na: [1\n');
  host.files.write('/live/z.yaml', '#cloud-config\nhostname: zero\n');
  host.files.write('/tmp/given.yaml', '#cloud-config\ninstall: {auto: true, device: auto}\n');
  host.files.write('/proc/cmdline', 'quiet install.device=/dev/vdb');
  const collected = await collectConfig(host, {
    directories: ['/live', '/oem', '/nothing'],
    files: ['/tmp/given.yaml'],
    commandLine: true,
  });
  expect(collected.config).toEqual({
    hostname: 'second',
    users: [{ name: 'a' }],
    install: { auto: true, device: '/dev/vdb' },
  });
  expect(collected.documents.map(({ file }) => file)).toEqual([
    '/live/z.yaml',
    '/oem/a.yaml',
    '/oem/b/2.yml',
    '/tmp/given.yaml',
    'cmdline',
  ]);
  expect(collected.problems.map(({ severity, position }) => [severity, position.file])).toEqual([
    ['warning', '/oem/c.yaml'],
    ['warning', '/oem/d.yaml'],
  ]);
});

test.each([
  ['hostname: x\n', 'HEADER_MISSING'],
  ['#cloud-config\n- a\n', 'NOT_A_MAP'],
  ['#cloud-config\na: [1\n', 'YAML_INVALID'],
])('a named file %j is an error', async (text, code) => {
  host.files.write('/given.yaml', text);
  const { problems } = await collectConfig(host, { directories: [], files: ['/given.yaml'] });
  expect(problems).toEqual([expect.objectContaining({ severity: 'error', code })]);
});

test('a named file must be there', async () => {
  await expect(collectConfig(host, { directories: [], files: ['/none.yaml'] })).rejects.toThrow(
    'There is no file /none.yaml',
  );
});

test('what a document links to comes before it', async () => {
  host.files.write('/oem/a.yaml', '#cloud-config\nconfig_url: http://example/next\nhostname: near\n');
  const collected = await collectConfig(host, {
    directories: ['/oem'],
    files: [],
    remote: {
      fetchText: async () => '#cloud-config\nhostname: far\ndebug: true\n',
      render: (url) => url,
      wait: async () => undefined,
    },
  });
  expect(collected.config).toMatchObject({ hostname: 'near', debug: true });
});
