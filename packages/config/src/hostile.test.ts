import { describe, expect, test } from 'bun:test';
import { mergeDocuments, readDocument } from './collect.ts';
import { validate } from './validate.ts';

/** Nearly as much as is read of a file. */
const size = 2_000_000;
const repeated = (text: string, count = Math.floor(size / text.length)) => text.repeat(count);
const lines = (count: number, line: (index: number) => string) =>
  `${Array.from({ length: count }, (_, index) => line(index)).join('\n')}\n`;

/** Everything that happens to a document that somebody sends. */
function problemsOf(text: string): string[] {
  const { documents, problems } = readDocument(`#cloud-config\n${text}`, 'f');
  const merged = mergeDocuments(documents);
  const found = documents.length > 0 ? validate(merged.tree) : [];
  return [...problems, ...merged.problems, ...found].map(({ code }) => code);
}

const bomb = `a: &a [x, x, x, x, x, x, x, x, x]\n${[...'bcdefghi']
  .map((name, index) => `${name}: &${name} [${Array(9).fill(`*${'abcdefgh'[index]}`).join(', ')}]`)
  .join('\n')}\n`;

/** Each ends in one clear error, or in none where it is harmless; the test's own limit is the bound of its time. */
const documents: readonly (readonly [what: string, text: () => string, problems: readonly string[]])[] = [
  ['an alias bomb', () => bomb, ['YAML_INVALID']],
  ['an alias of its own parent', () => 'a: &a\n  b: *a\n', ['YAML_INVALID']],
  ['aliases in a ring', () => 'a: &a [*b]\nb: &b [*a]\n', ['YAML_INVALID']],
  ['fifty thousand aliases', () => `a: &a 1\nb: [${repeated('*a,', 50_000)}]\n`, ['YAML_INVALID']],
  [
    'merge keys in a long chain',
    () => `a0: &a0 {x: 1}\n${lines(2000, (i) => `a${i + 1}: &a${i + 1} {<<: *a${i}, k${i}: 1}`)}`,
    ['YAML_INVALID'],
  ],
  ['a merge key that merges itself', () => 'a: &a\n  <<: *a\n', ['YAML_INVALID']],
  ['brackets in brackets', () => `a: ${repeated('[', size / 2)}${repeated(']', size / 2)}\n`, ['TOO_DEEP']],
  ['brackets without end', () => `a: ${repeated('[')}\n`, ['TOO_DEEP']],
  ['braces in braces', () => `a: ${repeated('{a: ')}\n`, ['TOO_DEEP']],
  ['lists in lists', () => `a:\n ${repeated('- ')}x\n`, ['TOO_DEEP']],
  ['maps in maps', () => lines(1300, (i) => `${' '.repeat(i)}a:`), ['TOO_DEEP']],
  ['keys that are keys', () => `${repeated('? ')}\n`, ['TOO_DEEP']],
  ['many keys', () => lines(30_000, (i) => `_${i}_: 1`), []],
  ['many keys and an anchor', () => `_: &a 1\n${lines(30_000, (i) => `_${i}_: 1`)}`, []],
  [
    'the last of many keys twice',
    () => `_: &a 1\n${lines(30_000, (i) => `_${i}_: 1`)}_29999_: 2\n`,
    ['YAML_INVALID'],
  ],
  ['a hundred thousand texts', () => `runcmd:\n${lines(100_000, (i) => `- v${i}`)}`, []],
  ['errors on each line', () => repeated('a: ]\n'), ['YAML_INVALID']],
  ['directives', () => repeated('%YAML\n', 50_000), ['YAML_INVALID']],
  ['documents', () => repeated('---\n'), ['YAML_INVALID']],
  ['anchors', () => `${repeated('&a ', 50_000)}\n`, ['YAML_INVALID']],
  ['tags', () => `${repeated('!')}\n`, ['YAML_INVALID']],
  ['a quote without end', () => `a: "${repeated('\\"')}\n`, ['YAML_INVALID']],
  ['colons', () => `a${repeated(':')}\n`, ['YAML_INVALID']],
  ['tabs for indentation', () => 'a:\n\tb: 1\n', ['YAML_INVALID']],
  ['a NUL', () => 'a: \0\n', ['NOT_TEXT']],
  [
    'bytes of an executable',
    () => Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0]).toString('latin1'),
    ['NOT_TEXT'],
  ],
  [
    'bytes that are not UTF-8',
    () => new TextDecoder().decode(Buffer.from('hostname: caf\xe9\n', 'latin1')),
    ['NOT_TEXT'],
  ],
  ['comments', () => repeated('# x\n', 50_000), []],
  ['nothing but line breaks', () => repeated('\n', 200_000), []],
  ['the header only', () => '', []],
  ['a duplicate key', () => 'a: 1\na: 2\n', ['YAML_INVALID']],
  ['a duplicate key in quotes', () => 'a: 1\n"a": 2\n', ['YAML_INVALID']],
  ['a duplicate key below an anchor', () => 'b: &b {a: 1, a: 2}\n', ['YAML_INVALID']],
  ['a key of prototypes', () => '__proto__: {auto: true}\nconstructor: {prototype: {auto: true}}\n', []],
  ['more than is read', () => repeated('# 100 MB would not be read either\n', 80_000), ['FILE_TOO_LARGE']],
];

describe('what somebody may send', () => {
  test.each(documents)('%s', (_, text, problems) => {
    expect(problemsOf(text())).toEqual([...problems]);
  });

  test('problems in any number are told up to a limit', () => {
    const codes = problemsOf(`stages:\n  boot:\n${lines(50_000, () => '  - 1')}`);
    expect(codes.length).toBe(201);
    expect(codes.filter((code) => code === 'TOO_MANY_PROBLEMS')).toHaveLength(1);
  });

  test('nothing reaches the prototype of objects', () => {
    expect(({} as Record<string, unknown>).auto).toBeUndefined();
  });
});
