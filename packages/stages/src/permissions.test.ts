import { expect, test } from 'bun:test';
import { parsePermissions } from './permissions.ts';

const position = { file: 'a', line: 1, column: 1 };

test.each([
  ['0644', false, 0o644, false],
  ['0o644', false, 0o644, false],
  ['0644', true, 0o644, false],
  ['644', true, 0o644, false],
  ['420', true, 0o420, false],
  // What tools print for 0644, 0600, 0755 and 0777.
  ['420', false, 0o644, false],
  ['384', false, 0o600, false],
  ['493', false, 0o755, false],
  ['511', false, 0o777, false],
  // What people write for them.
  ['644', false, 0o644, true],
  ['600', false, 0o600, true],
  ['755', false, 0o755, true],
  ['777', false, 0o777, true],
  ['400', false, 0o400, true],
  ['1777', true, 0o1777, false],
  ['04755', false, 0o4755, false],
  ['0', false, 0, false],
])('%s (quoted: %p) is %o', (source, quoted, mode, warns) => {
  const read = parsePermissions(source, quoted, position);
  expect(read.mode).toBe(mode);
  expect(read.warning !== undefined).toBe(warns);
});

test.each([
  ['u=rw', true],
  ['0888', false],
  ['99999', false],
  ['', true],
  ['-1', false],
  ['6440000', true],
])('%s is refused', (source, quoted) => {
  expect(() => parsePermissions(source, quoted, position)).toThrow('are not permission bits');
});
