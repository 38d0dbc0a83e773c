import { expect, test } from 'bun:test';
import type { KairosError } from '@kairos/facts/errors';
import { parseDocument } from './document.ts';

function fault(text: string): readonly [string, string] | undefined {
  try {
    parseDocument(text, 'f');
  } catch (error) {
    const { position, message } = error as KairosError;
    const place = `${position?.line}:${position?.column}`;
    return [place, message.replace(`f:${place}: `, '')];
  }
  return undefined;
}

test.each([
  ['a: 1\nb: *c\n', '2:4', 'the alias *c names nothing: no anchor &c stands before it'],
  ['a: &a [*b]\nb: &b [*a]\n', '1:8', 'the alias *b names nothing: no anchor &b stands before it'],
  ['a: &a\n  b:\n    c: *a\n', '3:8', 'the alias *a stands inside of what it names'],
  ['a: &a\n  <<: *a\n', '2:7', 'the alias *a stands inside of what it names'],
  [`a: &a 1\nb: [${'*a,'.repeat(99)}\n  *a,\n  *a]\n`, '4:3', 'the alias *a makes too much of the document'],
  [
    `a: &a [x]\nb: &b [${'*a,'.repeat(60)}]\nc: &c [*b, *b]\nd: *c\n`,
    '4:4',
    'the alias *c makes too much of the document',
  ],
])('%j points at the alias', (text, place, message) => {
  expect(fault(text)).toEqual([place, message]);
});

test('aliases as people write them', () => {
  expect(fault('a: &a {x: 1}\nb: [*a, *a]\nc: {<<: *a}\na2: &a 2\nd: *a\n')).toBeUndefined();
  expect(parseDocument('a: &a 1\nb: &a 2\nc: *a\n', 'f').value).toEqual({ a: 1, b: 2, c: 2 });
});
