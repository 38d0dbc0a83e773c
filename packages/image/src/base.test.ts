import { expect, test } from 'bun:test';
import { parseBase, showBase } from './base.ts';

test.each([
  'debian:13',
  'dir:/srv/root',
  'tar:a:b.tar',
  'oci:image',
  'oci-archive:x.tar',
  'docker-archive:x.tar',
])('%s is read and shown again', (text) => {
  expect(showBase(parseBase(text))).toBe(text);
});

test.each([
  ['debain:13', 'did you mean "debian:13"?'],
  ['trixie', 'is of no known kind'],
  ['oci-achive:x', 'did you mean "oci-archive:x"?'],
  ['dir:', 'names nothing behind dir:'],
  ['', 'is of no known kind'],
])('%j is refused', (text, message) => {
  expect(() => parseBase(text)).toThrow(
    expect.objectContaining({
      code: 'BASE_UNKNOWN',
      exit: 'invalidInput',
      message: expect.stringContaining(message),
    }),
  );
});
