import { describe, expect, test } from 'bun:test';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { stringify } from 'yaml';
import { type Document, type Path, parseDocument } from './document.ts';
import { parseLeanYaml } from './lean-yaml.ts';
import { parseWholeDocument } from './whole-document.ts';

const repository = join(import.meta.dir, '../../..');

/** Every path of a value, the root included. */
function pathsOf(value: unknown, path: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [path];
  return [
    path,
    ...Object.entries(value).flatMap(([key, item]) =>
      pathsOf(item, [...path, Array.isArray(value) ? Number(key) : key]),
    ),
  ];
}

function everything(document: Document) {
  return {
    value: document.value,
    places: pathsOf(document.value).map((path) => [
      path.join('/'),
      document.positionOf(path),
      document.keyPositionOf(path),
      document.sourceOf(path),
    ]),
  };
}

/** Holds the lean parser against the whole one, if it takes the text at all. */
function sameAsWhole(text: string): boolean {
  if (parseLeanYaml(text) === undefined) return false;
  expect(everything(parseDocument(text, 'a.yaml'))).toEqual(everything(parseWholeDocument(text, 'a.yaml')));
  return true;
}

const yamlFiles = ['system', 'flavors', 'examples', 'packages/config/fixtures'].flatMap((folder) => {
  try {
    return readdirSync(join(repository, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.ya?ml$/.test(name))
      .map((name) => join(repository, folder, name))
      .sort();
  } catch {
    return [];
  }
});

/** Pieces of configurations, right and wrong ones, that are strung together in any order. */
const fragments = [
  'a: 1',
  'b: 0644',
  'c: 0o17',
  'd: 0x1F',
  'e: on',
  'f: yes',
  'g: 2020-01-01',
  'h: 1e3',
  'i: .5',
  'j: ~',
  'k: null',
  'l: TRUE',
  'm: 1.10',
  'n: 10.0.0.1',
  'o: -0',
  'p: +1',
  'q: 012345678901234567890',
  'r: .inf',
  's: -.INF',
  't: .nan',
  'u: 1:20',
  'v: 1_000',
  'a:',
  '- a',
  '-',
  '- b: 1',
  '- - x',
  '-  c: 2',
  '"k": v',
  "'k': v",
  '"k" : v',
  'k : v',
  '/etc/x: y',
  'a.b/c: d',
  'null: x',
  '1: x',
  '? x',
  'a: "x"',
  'a: "x\\n\\t\\"\\\\\\/"',
  'a: "x',
  "a: 'it''s'",
  "a: 'x",
  'a: "x" y',
  'a: "x" # c',
  'a: x # c',
  'a: x#c',
  'a: x: y',
  'a: x:',
  'a: :x',
  'a: -x',
  'a: - x',
  'a: |',
  'a: |-',
  'a: |+',
  'a: | # c',
  'a: |2',
  'a: >',
  'a: >-',
  '- |',
  'text',
  'more text here',
  '# comment',
  '',
  ' ',
  '  ',
  'a: [b, c]',
  'a: [b, "c", \'d\', 1, true, ]',
  'a: [github:user, x:y]',
  'a: []',
  'a: [,]',
  'a: [a',
  'a: [a: b]',
  'a: [b c , d]',
  'a: {}',
  'a: {b: c}',
  'a: {{ x }}',
  'a: [ ] # c',
  'a: &x b',
  'a: *x',
  '<<: *x',
  'a: !!str 1',
  'a: @x',
  'a: `x`',
  'a: %x',
  '%YAML 1.2',
  '---',
  '...',
  '--- # c',
  'a:\tb',
  '\ta: b',
  'a: b\t',
  '__proto__: 1',
  'a: "<<"',
  'a: x  ',
  'a:   ',
  'key with blanks: x',
  'a: Ünïcode 🙂',
  'a: ?',
  'a: ?x',
  'a: ,',
  'a: ]',
  'a: #',
  'a:#',
  'a: "#"',
  'a: -',
  '- -',
  '- - -',
  '-x',
  '-- x',
];
const line = fc
  .tuple(fc.nat({ max: 8 }), fc.constantFrom(...fragments))
  .map(([indent, text]) => ' '.repeat(indent) + text);
const nest = fc
  .tuple(fc.constantFrom(0, 0, 2, 2, 4, 6), fc.constantFrom(...fragments))
  .map(([indent, text]) => ' '.repeat(indent) + text);

describe('the lean parser', () => {
  test('reads what is shipped as the whole parser does, and nearly all cloud-configs by itself', () => {
    const taken = yamlFiles.filter((file) => sameAsWhole(readFileSync(file, 'utf8')));
    const cloudConfigs = (file: string) => /\/(?:fixtures|oem)\//.test(file);
    expect(yamlFiles.length).toBeGreaterThan(50);
    expect(taken.filter(cloudConfigs).length / yamlFiles.filter(cloudConfigs).length).toBeGreaterThan(0.85);
  });

  test('agrees with the whole parser on any lines, and takes nothing that that one refuses', () => {
    let taken = 0;
    fc.assert(
      fc.property(
        fc.array(fc.oneof(line, nest), { minLength: 1, maxLength: 7 }),
        fc.boolean(),
        (lines, ended) => {
          if (sameAsWhole(lines.join('\n') + (ended ? '\n' : ''))) taken++;
        },
      ),
      { numRuns: 4000 },
    );
    expect(taken).toBeGreaterThan(100);
  });

  test('agrees on printed values of any kind', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), fc.constantFrom(2, 4), (value, indent) => {
        sameAsWhole(stringify(value, { indent, lineWidth: 0 }));
        sameAsWhole(stringify({ stages: { boot: [value] } }, { indent, lineWidth: 0, indentSeq: false }));
      }),
      { numRuns: 500 },
    );
  });

  test('agrees on shipped files with a mistake in them', () => {
    const texts = yamlFiles.map((file) => readFileSync(file, 'utf8')).filter((text) => text.length < 3000);
    fc.assert(
      fc.property(
        fc.constantFrom(...texts),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.nat({ max: 3 }),
        fc.constantFrom(
          '',
          ' ',
          '  ',
          ':',
          ': ',
          '- ',
          '#',
          ' #',
          '"',
          "'",
          '|',
          '[',
          ']',
          '{',
          '\n',
          '\n\n',
          '&a ',
          '*a',
          '\t',
          'x',
          '0',
          '-',
          ',',
        ),
        (text, where, remove, insert) => {
          const at = Math.floor(where * text.length);
          sameAsWhole(text.slice(0, at) + insert + text.slice(at + remove));
        },
      ),
      { numRuns: 1500 },
    );
  });

  const cases: readonly (readonly [what: string, text: string])[] = [
    ['duplicate keys', 'a: 1\na: 2\n'],
    ['anchors', 'a: &x 1\nb: *x\n'],
    ['merge keys', 'a: {}\nb:\n  <<: {}\n'],
    ['several documents', '---\na: 1\n---\nb: 2\n'],
    ['tags', 'a: !!str 1\n'],
    ['tabs', 'a:\n\tb: 1\n'],
    ['keys of prototypes', '__proto__: 1\n'],
    ['a text without end', 'a: "x\nb: 1\n'],
    ['folded text with paragraphs', 'a: >\n  b\n\n  c\n'],
    ['folded text with a list in it', 'a: >\n  b\n    - c\n'],
    ['deep nesting', `${'- '.repeat(100)}a\n`],
    ['an empty text', ''],
  ];
  test.each(cases)('leaves %s to the whole parser', (_, text) => {
    expect(parseLeanYaml(text)).toBeUndefined();
  });

  test('what would take the square of its size is read or left within the time of a test', () => {
    const size = 1_000_000;
    const texts = [
      `a: ${' '.repeat(size)}x\n`,
      `a:${' #'.repeat(size / 2)}\n`,
      `a: [${'a,'.repeat(size / 2)}`,
      `a: "${'\\\\'.repeat(size / 2)}`,
      `${'a'.repeat(size)}\n`,
      `a: |\n${' \n'.repeat(size / 2)}`,
      `a:${' '.repeat(size)}\n`,
    ];
    expect(texts.map((text) => parseLeanYaml(text) !== undefined)).toEqual([
      true,
      true,
      false,
      false,
      false,
      false,
      true,
    ]);
  });
});
