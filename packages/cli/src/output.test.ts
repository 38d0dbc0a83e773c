import { expect, test } from 'bun:test';
import { KairosError } from '@kairos/facts/errors';
import { colourWanted, errorAsJson, exitCodeOf, formatError } from './output.ts';

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

test.each([
  ['ENOENT', 11, undefined],
  ['EACCES', 16, 'Run it with sudo, or as somebody who may'],
  ['EROFS', 16, 'Name a place that can be written to'],
  ['ENOSPC', 17, 'Make room, or name another place'],
])('what the system refuses with %s is no defect', (code, exit, hint) => {
  const error = Object.assign(new Error(`${code}: no, open '/x'`), { code, syscall: 'open' });
  expect(formatError(error)).toBe(
    `error: ${code}: no, open '/x'${hint === undefined ? '' : `\n  hint: ${hint}`}`,
  );
  expect(exitCodeOf(error)).toBe(exit);
});

test('what only bears such a code is one', () => {
  const error = Object.assign(new Error('odd'), { code: 'ENOENT' });
  expect(formatError(error)).toContain('defect');
  expect(exitCodeOf(error)).toBe(1);
});

test('as JSON every error has a code and the exit code', () => {
  const denied = Object.assign(new Error("EACCES: denied, open '/x'"), { code: 'EACCES', syscall: 'open' });
  expect(errorAsJson(denied)).toEqual({
    code: 'EACCES',
    message: "EACCES: denied, open '/x'",
    hint: 'Run it with sudo, or as somebody who may',
    exitCode: 16,
  });
  expect(errorAsJson(new TypeError('odd'))).toEqual({ code: 'FAILED', message: 'odd', exitCode: 1 });
  expect(errorAsJson(new KairosError('NO_DISK', 'none', { exit: 'unsuitableDisk' }))).toEqual({
    ...{ code: 'NO_DISK', message: 'none', exitCode: 18 },
  });
});
