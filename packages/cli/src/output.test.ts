import { expect, test } from 'bun:test';
import { KairosError } from '@kairos/facts/errors';
import { colourWanted, exitCodeOf, formatError } from './output.ts';

test('an error has its hint below it', () => {
  const error = new KairosError('DISK_TOO_SMALL', 'The disk has 2.0 GiB, 4.1 GiB are needed', {
    hint: 'Choose another disk',
    exit: 'unsuitableDisk',
  });
  expect(formatError(error)).toBe(
    'error: The disk has 2.0 GiB, 4.1 GiB are needed\n  hint: Choose another disk',
  );
  expect(exitCodeOf(error)).toBe(18);
});

test('anything else thrown is called a defect', () => {
  expect(formatError(new TypeError('x is not a function'))).toContain('defect in the program');
  expect(exitCodeOf(new TypeError('x'))).toBe(1);
});

test.each([
  [true, {}, true],
  [true, { NO_COLOR: '1' }, false],
  [true, { TERM: 'dumb' }, false],
  [false, {}, false],
] as const)('colour: terminal %p, %j', (isTTY, env, wanted) => {
  expect(colourWanted({ isTTY }, env)).toBe(wanted);
});
