import { expect, test } from 'bun:test';
import { rangeElements } from './range-elements.ts';
import { Float, type Value } from './value.ts';

const over = (value: Value, variables: readonly string[] = []) => [
  ...rangeElements(value, { offset: 7, variables }),
];

test.each<[string, Value, (readonly [Value, Value])[]]>([
  ['nothing', undefined, []],
  ['nil', null, []],
  [
    'a list',
    ['a', 'b'],
    [
      [0, 'a'],
      [1, 'b'],
    ],
  ],
  [
    'a map, sorted',
    new Map<string, Value>([
      ['b', 1],
      ['a', 2],
    ]),
    [
      ['a', 2],
      ['b', 1],
    ],
  ],
  [
    'an integer',
    2,
    [
      [undefined, 0],
      [undefined, 1],
    ],
  ],
  ['a negative integer', -1, []],
])('%s', (_, value, expected) => {
  expect(over(value, ['$x'])).toEqual(expected);
});

test('a list that grows while it is gone over does not make the loop endless', () => {
  const list: Value[] = ['a'];
  const seen: Value[] = [];
  for (const [, element] of rangeElements(list, { offset: 0, variables: [] })) {
    list.push('more');
    seen.push(element);
  }
  expect(seen).toEqual(['a']);
});

test.each<[Value, readonly string[], string]>([
  [2, ['$i', '$x'], 'range over an integer has only one variable'],
  ['text', [], 'range cannot go over a string'],
  [new Float(1.5), [], 'range cannot go over a floating-point number'],
])('%p is refused', (value, variables, message) => {
  expect(() => over(value, variables)).toThrow(expect.objectContaining({ message, offset: 7 }));
});
