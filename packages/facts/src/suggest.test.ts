import { expect, test } from 'bun:test';
import { didYouMean, editDistance } from './suggest.ts';

test.each([
  ['', '', 0],
  ['abc', '', 3],
  ['permsisions', 'permissions', 1],
  ['kitten', 'sitting', 3],
])('editDistance(%s, %s) = %d', (a, b, distance) => {
  expect(editDistance(a, b)).toBe(distance);
});

test('suggests the nearest name and nothing for a far one', () => {
  expect(didYouMean('permsisions', ['path', 'permissions', 'owner'])).toBe('permissions');
  expect(didYouMean('systctl', ['sysctl', 'systemctl'])).toBe('sysctl');
  expect(didYouMean('zzz', ['path', 'owner'])).toBeUndefined();
});
