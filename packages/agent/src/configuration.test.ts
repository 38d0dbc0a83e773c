import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseDocument } from '@kairos/config/document';
import type { RemoteReader } from '@kairos/config/remote';
import { treeOf } from '@kairos/config/tree';
import { KairosError } from '@kairos/facts/errors';
import { directoryHost } from '@kairos/host/directory';
import fc from 'fast-check';
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

/** With keys in order, as a configuration is printed. Minus zero is zero to JSON. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, item]) => [key, sorted(item)]),
  );
}

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
  expect(queryConfiguration(configuration, 'install.none', true)).toBe('null\n');
  expect(queryConfiguration(configuration, 'install', true)).toBe('{"auto":true}\n');
});

describe('config_url', () => {
  const linked = { '/oem/a.yaml': '#cloud-config\nhostname: near\nconfig_url: http://x/{{ .Values.n }}\n' };
  async function following(files: Readonly<Record<string, string>>, fetchText: RemoteReader['fetchText']) {
    const host = directoryHost(folder);
    for (const [path, text] of Object.entries(files)) host.files.write(path, text);
    let asked = 0;
    const configuration = await readConfiguration(host, {
      async remote() {
        asked++;
        return {
          fetchText,
          render: (url) => url.replace('{{ .Values.n }}', 'n1'),
          wait: async () => undefined,
          attempts: 1,
        };
      },
    });
    return { configuration, asked };
  }

  test('is followed, and what it names comes before what names it', async () => {
    const { configuration, asked } = await following(linked, async (url) => {
      expect(url).toBe('http://x/n1');
      return '#cloud-config\nhostname: far\ndebug: true\n';
    });
    expect([asked, configuration.problems, configuration.sources]).toEqual([
      1,
      [],
      ['http://x/n1', '/oem/a.yaml'],
    ]);
    expect(queryConfiguration(configuration, 'debug')).toBe('true\n');
    expect(explainKey(configuration, 'hostname')).toMatchObject({
      value: 'near',
      overrides: [{ file: 'http://x/n1', line: 2, column: 11 }],
    });
  });

  test('that cannot be had is a warning, and the rest counts', async () => {
    const { configuration } = await following(linked, async () => {
      throw new Error('no route');
    });
    expect(queryConfiguration(configuration, 'hostname')).toBe('near\n');
    expect(configuration.problems).toEqual(configuration.leftOut);
    expect(
      configuration.leftOut.map(({ severity, code, message, position }) => [
        severity,
        code,
        message,
        position.line,
      ]),
    ).toEqual([
      [
        'warning',
        'CONFIG_URL_UNREACHABLE',
        'the document of config_url is left out: http://x/n1 could not be fetched: no route',
        3,
      ],
    ]);
  });

  test('of which there is none loads nothing for it', async () => {
    const { asked } = await following({ '/oem/a.yaml': '#cloud-config\nhostname: a\n' }, async () => '');
    expect(asked).toBe(0);
  });
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

test('explains maps and lists value by value, and hides secrets', async () => {
  const configuration = await configurationOf({
    '/etc/kairos/a.yaml': '#cloud-config\nusers:\n- name: a\n  passwd: secret\ninstall:\n  auto: false\n',
    '/oem/b.yaml': '#cloud-config\nusers:\n- name: b\ninstall:\n  device: /dev/vda\n',
  });
  const parts = (key: string) =>
    explainKey(configuration, key).parts?.flatMap((part) =>
      (part.parts ?? [part]).map((leaf) => [leaf.key, leaf.value, leaf.setAt.file, leaf.setAt.line]),
    );
  expect(parts('users')).toEqual([
    ['users.0.name', 'a', '/etc/kairos/a.yaml', 3],
    ['users.0.passwd', '********', '/etc/kairos/a.yaml', 4],
    ['users.1.name', 'b', '/oem/b.yaml', 3],
  ]);
  expect(parts('install')).toEqual([
    ['install.auto', false, '/etc/kairos/a.yaml', 6],
    ['install.device', '/dev/vda', '/oem/b.yaml', 5],
  ]);
});

test('a comparison tells that a secret differs and not what it is', () => {
  const read = (token: string) =>
    validateText(`#cloud-config\np2p:\n  network_token: ${token}\n`, 'f', false);
  expect(compareConfigurations(read('one'), read('two'))).toMatchObject([
    { kind: 'changed', path: ['p2p', 'network_token'], before: '********', after: '********' },
  ]);
});

test('a printed configuration reads as the same, and prints the same again', () => {
  const text = fc.string({ unit: 'grapheme', maxLength: 12 });
  const value = fc.letrec((tie) => ({
    any: fc.oneof(
      { maxDepth: 4 },
      text,
      fc.constantFrom(
        '0644',
        'yes',
        '1e3',
        '~',
        'null',
        '- a',
        'a: b',
        '#c',
        ' x ',
        '\n',
        'a\n\nb\n',
        '{{ .x }}',
        '|',
        '0x1f',
        '2020-01-01',
        '<<',
        '&a',
        '*a',
        '!t',
        '%',
      ),
      fc.integer(),
      fc.boolean(),
      fc.constant(null),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.array(tie('any'), { maxLength: 4 }),
      fc.dictionary(fc.oneof(text, fc.constantFrom('a', 'users', 'stages')), tie('any'), { maxKeys: 4 }),
    ),
  })).any;
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom('a', 'name', 'stages', 'x-y'), value), (config) => {
      const print = (given: unknown) =>
        printConfiguration({
          tree: treeOf(given, { positionOf: () => ({ file: '', line: 1, column: 1 }) }),
          sources: ['f'],
        });
      const printed = print(config);
      const again = parseDocument(printed, 'f').value;
      expect(again).toEqual(parseDocument(print(again), 'f').value);
      expect(JSON.stringify(again)).toBe(JSON.stringify(sorted(config)));
      expect(print(again)).toBe(printed);
    }),
    { numRuns: 80 },
  );
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
