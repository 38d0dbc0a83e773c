import { expect, test } from 'bun:test';
import { unifiedDiff } from './unified-diff.ts';

const numbered = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => `${from + index}\n`).join('');

test('context, hunks and ranges', () => {
  const before = numbered(1, 20);
  const after = before.replace('2\n', 'two\n').replace('\n15\n', '\n15\nnew\n');
  expect(unifiedDiff('/f', before, after)).toBe(
    '--- /f\n+++ /f\n@@ -1,5 +1,5 @@\n 1\n-2\n+two\n 3\n 4\n 5\n@@ -13,6 +13,7 @@\n 13\n 14\n 15\n+new\n 16\n 17\n 18\n',
  );
});

test('new and removed files', () => {
  expect(unifiedDiff('/f', undefined, 'a\n')).toBe('--- /dev/null\n+++ /f\n@@ -0,0 +1 @@\n+a\n');
  expect(unifiedDiff('/f', 'a\n', undefined)).toBe('--- /f\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n');
  expect(unifiedDiff('/f', 'a\n', 'a\n')).toBe('');
});
