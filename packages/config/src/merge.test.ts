import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { parseDocument } from './document.ts';
import { merge } from './merge.ts';
import type { Problem } from './problem.ts';
import { plainValue, treeOf, treeOfDocument } from './tree.ts';

const nowhere = (file: string) => ({ positionOf: () => ({ file, line: 1, column: 1 }) });
const conflict = Symbol('conflict');

function mergeValues(earlier: unknown, later: unknown) {
  const problems: Problem[] = [];
  const value = plainValue(merge(treeOf(earlier, nowhere('a')), treeOf(later, nowhere('b')), problems));
  return { value, problems };
}

describe('every pair of kinds', () => {
  const table: [string, unknown, unknown, unknown][] = [
    ['null, null', null, null, null],
    ['null, scalar', null, 'b', 'b'],
    ['null, list', null, [1], [1]],
    ['null, map', null, { a: 1 }, { a: 1 }],
    ['string, null', 'a', null, ''],
    ['number, null', 3, null, 0],
    ['boolean, null', true, null, false],
    ['list, null', [1], null, []],
    ['map, null', { a: 1 }, null, {}],
    ['scalar, scalar', 'a', 'b', 'b'],
    ['scalars of two types', 1, 'b', 'b'],
    ['scalar, list', 'a', [1], conflict],
    ['scalar, map', 'a', { a: 1 }, conflict],
    ['list, scalar', [1], 'b', conflict],
    ['list, map', [1], { a: 1 }, conflict],
    ['map, scalar', { a: 1 }, 'b', conflict],
    ['map, list', { a: 1 }, [1], conflict],
    [
      'maps',
      { a: 1, b: { c: 1, d: 2 } },
      { b: { d: 3, e: 4 }, f: 5 },
      { a: 1, b: { c: 1, d: 3, e: 4 }, f: 5 },
    ],
    ['scalar lists', ['a', 'b'], ['b', 'c', 'c'], ['a', 'b', 'c']],
    ['numbers are not strings', [1], ['1', 1], [1, '1']],
    ['lists of maps keep what is twice', [{ a: 1 }], [{ a: 1 }], [{ a: 1 }, { a: 1 }]],
    ['scalars, then maps', ['a'], [{ a: 1 }, 'a'], ['a', { a: 1 }]],
    ['maps, then scalars', [{ a: 1 }], ['a', 'a'], [{ a: 1 }, 'a', 'a']],
    ['empty, then maps', [], [{ a: 1 }, { a: 1 }], [{ a: 1 }]],
  ];
  test.each(table)('%s', (_, earlier, later, expected) => {
    const { value, problems } = mergeValues(earlier, later);
    expect(value).toEqual(expected === conflict ? later : expected);
    expect(problems.map(({ code }) => code)).toEqual(expected === conflict ? ['MERGE_CONFLICT'] : []);
  });
});

test('a conflict names both places', () => {
  const problems: Problem[] = [];
  const a = treeOfDocument(parseDocument('install:\n  device: /dev/sda\n', 'a.yaml'));
  const b = treeOfDocument(parseDocument('install:\n  device: [auto]\n', 'b.yaml'));
  merge(a, b, problems);
  expect(problems).toEqual([
    {
      severity: 'error',
      code: 'MERGE_CONFLICT',
      message: 'install.device is a list here and a scalar elsewhere',
      position: { file: 'b.yaml', line: 2, column: 11 },
      hint: 'Write both as the same kind; the later one is used',
      related: [{ position: { file: 'a.yaml', line: 2, column: 11 }, message: 'the scalar is here' }],
    },
  ]);
});

test('a value knows which places it took over', () => {
  const trees = ['a', 'b', 'c'].map((file) => treeOfDocument(parseDocument(`hostname: ${file}\n`, file)));
  const merged = trees.reduce((earlier, later) => merge(earlier, later, []));
  const hostname = merged.kind === 'map' ? merged.entries.get('hostname') : undefined;
  expect(hostname?.at.file).toBe('c');
  expect(hostname?.replaced.map(({ file }) => file)).toEqual(['b', 'a']);
});

const scalar = fc.oneof(fc.string(), fc.integer(), fc.boolean());
const anything = fc.anything({ withNullPrototype: true, withDate: true, withBigInt: true, maxDepth: 5 });

test('never throws, on any two documents', () => {
  fc.assert(
    fc.property(anything, anything, (a, b) => {
      mergeValues(a, b);
    }),
    { numRuns: 2000 },
  );
});

test('maps of scalars and lists of scalars merge associatively', () => {
  const document = fc.dictionary(
    fc.constantFrom('a', 'b', 'c'),
    fc.dictionary(fc.constantFrom('x', 'y'), fc.oneof(scalar)),
  );
  const lists = fc.dictionary(fc.constantFrom('a', 'b'), fc.array(scalar));
  for (const arbitrary of [document, lists]) {
    fc.assert(
      fc.property(arbitrary, arbitrary, arbitrary, (a, b, c) => {
        const left = mergeValues(mergeValues(a, b).value, c).value;
        const right = mergeValues(a, mergeValues(b, c).value).value;
        expect(left).toEqual(right);
      }),
    );
  }
});
