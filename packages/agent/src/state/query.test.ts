import { expect, test } from 'bun:test';
import { printValue, queryValue } from './query.ts';

const value = {
  boot: 'active_boot',
  oem: { mounted: true, size_bytes: 67108864 },
  list: [{ a: 'x' }, 'y'],
  'a-b': null,
};

test.each([
  ['boot', 'active_boot\n'],
  ['.boot', 'active_boot\n'],
  ['oem.mounted', 'true\n'],
  ['oem.size_bytes', '67108864\n'],
  ['list[0].a', 'x\n'],
  ['.list[-1]', 'y\n'],
  ['."oem"["mounted"]', 'true\n'],
  ['list[9]', '\n'],
  ['nothing.below', '\n'],
  ['boot.length', '\n'],
  ['oem.constructor', '\n'],
  ['a-b', '\n'],
  ['oem', 'mounted: true\nsize_bytes: 67108864\n'],
  ['list', '- a: x\n- y\n'],
])('%s prints %j', (query, text) => {
  expect(printValue(queryValue(value, query))).toBe(text);
});

test.each(['oem | keys', 'list[', '..', 'a.b.'])('%s is refused', (query) => {
  expect(() => queryValue(value, query)).toThrow(
    expect.objectContaining({ code: 'QUERY_INVALID', exit: 'usage' }),
  );
});

test('a point alone is the whole', () => {
  expect(queryValue(value, '.')).toBe(value);
});

test('what is there twice is printed twice, so that a line can be searched for', () => {
  const slot = { version: 'v1' };
  expect(printValue({ active: slot, passive: slot })).toBe(
    'active:\n  version: v1\npassive:\n  version: v1\n',
  );
});
