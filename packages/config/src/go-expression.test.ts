import { expect, test } from 'bun:test';
import { goExpression } from './go-expression.ts';

test.each([
  ['Debian|Ubuntu', 'Ubuntu 24.04', true],
  ['^13\\.', '131', false],
  ['', 'anything', true],
  ['(?i)debian', 'DEBIAN', true],
  ['(?i:debian) GNU', 'DEBIAN GNU', true],
  ['^node-[[:digit:]]+$', 'node-12', true],
  ['^node-[[:digit:]]+$', 'node-x', false],
  ['\\A\\pL+\\z', 'Größe', true],
  ['(?P<what>a)\\d', 'a1', true],
  ['^a{2,3}$', 'aa', true],
])('%s in %s: %p', (pattern, text, found) => {
  expect(goExpression(pattern).test(text)).toBe(found);
});

test.each(['a'.repeat(10_001), '(', 'a(?=b)', '(a)\\1', '*a', 'a**'])('%s is none', (pattern) => {
  expect(() => goExpression(pattern)).toThrow();
});

test.each(['(a+)+$', '^(([a-z])+.)+[A-Z]([a-z])+$', 'a*a*a*a*a*a*a*a*b'])(
  '%s takes no exponential time',
  (pattern) => {
    expect(goExpression(pattern).test(`${'a'.repeat(200)}!`)).toBe(false);
  },
);
