import { expect, test } from 'bun:test';
import { renderSteps, stepToJson } from './plan-render.ts';

test('steps are numbered, and the last line says how the machine ends', () => {
  expect(renderSteps(['look', 'leap'], 'poweroff')).toEqual([
    'Steps',
    '   1  look',
    '   2  leap',
    '',
    'Then    power off',
    '',
  ]);
});

test('a step tells size and digest of its bytes, and not the bytes', () => {
  const content = new TextEncoder().encode('secret');
  expect(stepToJson({ kind: 'write-file', content })).toEqual({
    kind: 'write-file',
    size: 6,
    digest: 'sha256:2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b',
  });
  expect(stepToJson({ kind: 'hook' })).toEqual({ kind: 'hook' });
});
