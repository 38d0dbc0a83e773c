import { expect, test } from 'bun:test';
import { readDocument } from './collect.ts';
import { textFault } from './text-check.ts';

const decoded = (bytes: string) => new TextDecoder().decode(Buffer.from(bytes, 'latin1'));

test.each([
  ['a: 1\nb: \0\n', 2, 4, 'the file holds NUL characters: it is not a text'],
  ['\0', 1, 1, 'the file holds NUL characters: it is not a text'],
  [decoded('#cloud-config\nhostname: caf\xe9\n'), 2, 14, 'the file holds bytes that are not UTF-8'],
])('%j is no text', (text, line, column, message) => {
  expect(textFault(text, 'f')).toMatchObject({ message, position: { file: 'f', line, column } });
});

test('UTF-8 is a text', () => {
  expect(textFault('#cloud-config\nhostname: café 漢字 🙂\n', 'f')).toBeUndefined();
});

test.each([
  ['\uFEFF#cloud-config\n', 1, 'Save the file without a byte order mark'],
  ['# note\n# cloud-config\n', 2, 'Write exactly #cloud-config on this line'],
  [' #Kairos_Config\n', 1, 'Write exactly #kairos-config on this line'],
  [
    `${'# note\n'.repeat(12)}#cloud-config\n`,
    13,
    'Move #cloud-config up: it counts within the first 9 lines only',
  ],
  ['a: "#cloud-config"\n', 1, 'Make #cloud-config the first line'],
])('a header that is nearly one: %j', (text, line, hint) => {
  expect(
    readDocument(text, 'f').problems.map(({ code, position, hint }) => [code, position.line, hint]),
  ).toEqual([['HEADER_MISSING', line, hint]]);
});
