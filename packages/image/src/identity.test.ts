import { expect, test } from 'bun:test';
import { seededHex, seededUuid } from './identity.ts';

test('seed and purpose decide', () => {
  expect(seededUuid('a', 'x')).toBe(seededUuid('a', 'x'));
  expect(new Set([seededUuid('a', 'x'), seededUuid('a', 'y'), seededUuid('b', 'x')]).size).toBe(3);
  expect(seededUuid('a', 'x')).toMatch(
    /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
  );
  expect(seededHex('a', 'x')).toHaveLength(64);
});
