import { expect, test } from 'bun:test';
import { mergeDocuments } from './collect.ts';
import { parseDocument } from './document.ts';
import { plainValue } from './tree.ts';
import { validate } from './validate.ts';

const merged = (...texts: string[]) =>
  mergeDocuments(texts.map((text, index) => parseDocument(text, `${index}.yaml`)));

test('a wrong spelling works, also across files, and a warning says the right one at its place', () => {
  const { tree, problems } = merged(
    'install:\n  no_format: true\n  system:\n    uri: oci:a\np2p:\n  vpn:\n    vpn: false\nk3s:\n  enable: true\n',
    'install:\n  no-format: false\nusers:\n- name: a\n  lockPasswd: true\nstages:\n  boot:\n  - users:\n      b:\n        lockPasswd: true\n',
  );
  expect(plainValue(tree)).toEqual({
    install: { 'no-format': false, system: { source: 'oci:a' } },
    p2p: { vpn: { create: false } },
    k3s: { enabled: true },
    users: [{ name: 'a', lock_passwd: true }],
    stages: { boot: [{ users: { b: { lock_passwd: true } } }] },
  });
  expect(
    problems.map(({ severity, position, hint }) => [severity, position.file, position.line, hint]),
  ).toEqual([
    ['warning', '0.yaml', 2, 'write no-format'],
    ['warning', '0.yaml', 4, 'write source'],
    ['warning', '0.yaml', 7, 'write create'],
    ['warning', '0.yaml', 9, 'write enabled'],
    ['warning', '1.yaml', 5, 'write lock_passwd'],
    ['warning', '1.yaml', 10, 'write lock_passwd'],
  ]);
  expect(validate(tree)).toEqual([]);
});

test('of both spellings in one map the right one counts', () => {
  const { tree, problems } = merged('install:\n  no_format: true\n  no-format: false\n');
  expect(plainValue(tree)).toEqual({ install: { 'no-format': false } });
  expect(problems).toMatchObject([
    { code: 'KEY_MISSPELT', hint: 'remove no_format', position: { line: 2, column: 3 } },
  ]);
});

test('what has another form is left as it is', () => {
  const { tree, problems } = merged('install: [no_format]\nusers: {a: {lockPasswd: 1}}\nstages: x\nk3s:\n');
  expect(problems.map(({ code }) => code)).toEqual(['KEY_MISSPELT']);
  expect(plainValue(tree)).toMatchObject({ install: ['no_format'], stages: 'x', k3s: null });
});
