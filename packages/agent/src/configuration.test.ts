import { afterEach, beforeEach, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KairosError } from '@kairos/facts/errors';
import { directoryHost } from '@kairos/host/directory';
import {
  compareConfigurations,
  explainKey,
  printConfiguration,
  queryConfiguration,
  readConfiguration,
  validateText,
} from './configuration.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'configuration-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function configurationOf(files: Readonly<Record<string, string>>) {
  const host = directoryHost(folder);
  for (const [path, text] of Object.entries(files)) host.files.write(path, text);
  return readConfiguration(host, { commandLine: true });
}

test('prints the merged configuration with its sources', async () => {
  const configuration = await configurationOf({
    '/etc/kairos/a.yaml': '#cloud-config\nhostname: a\ninstall:\n  auto: false\n',
    '/oem/b.yaml': '#cloud-config\nhostname: b\n',
    '/proc/cmdline': 'quiet kairos.config=install.auto=true\n',
  });
  expect(configuration.problems).toEqual([]);
  expect(printConfiguration(configuration)).toBe(
    '#cloud-config\n\n# Sources:\n# - /etc/kairos/a.yaml\n# - /oem/b.yaml\n# - cmdline\n\nhostname: b\ninstall:\n    auto: true\n',
  );
  expect(queryConfiguration(configuration, '.install.auto')).toBe('true\n');
  expect(queryConfiguration(configuration, 'install.none')).toBe('');
});

test('explains who set a key and what that took over', async () => {
  const configuration = await configurationOf({
    '/etc/kairos/a.yaml': '#cloud-config\nhostname: a\n',
    '/oem/b.yaml': '#cloud-config\n\nhostname: b\n',
  });
  expect(explainKey(configuration, 'hostname')).toEqual({
    key: 'hostname',
    value: 'b',
    setAt: { file: '/oem/b.yaml', line: 3, column: 11 },
    overrides: [{ file: '/etc/kairos/a.yaml', line: 2, column: 11 }],
  });
  let error: unknown;
  try {
    explainKey(configuration, 'hostnam');
  } catch (caught) {
    error = caught;
  }
  expect(error).toBeInstanceOf(KairosError);
  expect((error as KairosError).hint).toBe('hostname is set');
});

test('a text that is no cloud-config is an error when it is asked about', () => {
  const { problems } = validateText('users: []\n', 'f.yaml', false);
  expect(problems.map(({ severity, code }) => [severity, code])).toEqual([['error', 'HEADER_MISSING']]);
});

test('compares two configurations', () => {
  const before = validateText('#cloud-config\nhostname: a\n', 'a', false);
  const after = validateText('#cloud-config\nhostname: b\n', 'b', false);
  expect(compareConfigurations(before, after).map(({ kind, path }) => [kind, path.join('.')])).toEqual([
    ['changed', 'hostname'],
  ]);
});
