import { describe, expect, test } from 'bun:test';
import { KairosError } from '@kairos/facts/errors';
import {
  type ConfigFiles,
  collectDocuments,
  configDirectories,
  mergeDocuments,
  readDocument,
} from './collect.ts';
import { plainValue } from './tree.ts';

/** A file system of a few texts. */
function filesOf(texts: Readonly<Record<string, string>>): ConfigFiles {
  const paths = Object.keys(texts);
  return {
    list(directory) {
      const prefix = `${directory.replace(/\/$/, '')}/`;
      const names = paths
        .filter((path) => path.startsWith(prefix))
        .map((path) => path.slice(prefix.length).split('/')[0]);
      return [...new Set(names.filter((name) => name !== undefined))].sort();
    },
    status(path) {
      if (texts[path] !== undefined) return { kind: 'file', size: texts[path].length };
      return paths.some((each) => each.startsWith(`${path}/`)) ? { kind: 'directory', size: 0 } : undefined;
    },
    readOrdinaryText(path, maximumBytes) {
      const text = texts[path];
      if (text === undefined) throw new Error(`no ${path}`);
      if (text.length > maximumBytes) throw new KairosError('FILE_TOO_LARGE', `${path} is too large`);
      return text;
    },
  };
}

function collect(texts: Readonly<Record<string, string>>) {
  const collected = collectDocuments(filesOf(texts), configDirectories);
  const merged = mergeDocuments(collected.documents);
  return {
    value: plainValue(merged.tree),
    sources: merged.sources,
    problems: [...collected.problems, ...merged.problems].map(({ code, position }) => [code, position.file]),
  };
}

test('directories in their order, files by name, folders within', () => {
  const result = collect({
    '/oem/90_custom.yaml': '#cloud-config\nhostname: custom\nenv: [a]\n',
    '/oem/95_userdata/userdata.yaml': '#cloud-config\nhostname: userdata\nenv: [b, a]\n',
    '/etc/kairos/first.yml': '#kairos-config\nhostname: first\ndebug: true\n',
    '/oem/notes.txt': '#cloud-config\nhostname: notes\n',
  });
  expect(result).toEqual({
    value: { hostname: 'userdata', debug: true, env: ['a', 'b'] },
    sources: ['/etc/kairos/first.yml', '/oem/90_custom.yaml', '/oem/95_userdata/userdata.yaml'],
    problems: [],
  });
});

test('one bad file never blocks the others', () => {
  const result = collect({
    '/oem/1.yaml': '#cloud-config\na: [1\n',
    '/oem/2.yaml': 'hostname: no header\n',
    '/oem/3.yaml': '#cloud-config\n- a list\n',
    '/oem/4.yaml': `#cloud-config\nx: "${'x'.repeat(2 * 1024 * 1024)}"\n`,
    '/oem/5.yaml': '#cloud-config\nhostname: good\n',
  });
  expect(result.value).toEqual({ hostname: 'good' });
  expect(result.problems).toEqual([
    ['YAML_INVALID', '/oem/1.yaml'],
    ['HEADER_MISSING', '/oem/2.yaml'],
    ['NOT_A_MAP', '/oem/3.yaml'],
    ['FILE_TOO_LARGE', '/oem/4.yaml'],
  ]);
});

describe('hostile documents give one problem each', () => {
  const bomb = `#cloud-config\na: &a [x, x, x, x, x, x, x, x, x]\n${[...'bcdefghi']
    .map((name, index) => `${name}: &${name} [${Array(9).fill(`*${'abcdefgh'[index]}`).join(', ')}]`)
    .join('\n')}\n`;
  test.each([
    ['alias bomb', bomb, 'YAML_INVALID'],
    ['NUL', '#cloud-config\na: \0\n', 'NOT_TEXT'],
    ['duplicate key', '#cloud-config\na: 1\na: 2\n', 'YAML_INVALID'],
    ['tab', '#cloud-config\na:\n\tb: 1\n', 'YAML_INVALID'],
    ['unknown alias', '#cloud-config\na: *b\n', 'YAML_INVALID'],
    ['two documents', '#cloud-config\na: 1\n---\nb: 1\n', 'YAML_INVALID'],
  ])('%s', (_, text, code) => {
    const { documents, problems } = readDocument(text, 'f');
    expect([documents.length, problems.map((problem) => problem.code)]).toEqual([0, [code]]);
  });

  test('deep nesting', () => {
    const text = `#cloud-config\na: ${'['.repeat(3000)}${']'.repeat(3000)}\n`;
    const { documents, problems } = readDocument(text, 'f');
    const all = [...problems, ...mergeDocuments(documents).problems];
    expect(all).toHaveLength(1);
  });

  test('an alias of its own parent', () => {
    const { documents, problems } = readDocument('#cloud-config\na: &a\n  b: *a\n', 'f');
    const all = [...problems, ...mergeDocuments(documents).problems];
    expect(all).toHaveLength(1);
  });

  test('header only is an empty configuration', () => {
    const { documents, problems } = readDocument('#cloud-config\n', 'f');
    expect([plainValue(mergeDocuments(documents).tree), problems]).toEqual([{}, []]);
  });
});
