import { expect, test } from 'bun:test';
import { Output } from './output.ts';
import { limits } from './run.ts';

test('texts follow each other', () => {
  const output = new Output();
  for (const text of ['a', '', 'ü']) output.write(text, 0);
  expect(output.text).toBe('aü');
});

test('half a character is refused at the node that writes it', () => {
  expect(() => new Output().write('\ud83d', 7)).toThrow(
    expect.objectContaining({ message: 'the result is not UTF-8 text', offset: 7 }),
  );
});

test('the limit counts bytes of all that was written', () => {
  const output = new Output();
  output.write('ü'.repeat(limits.text / 2), 0);
  expect(() => output.write('a', 7)).toThrow(
    expect.objectContaining({ message: `the output is over the limit of ${limits.text} bytes`, offset: 7 }),
  );
});
