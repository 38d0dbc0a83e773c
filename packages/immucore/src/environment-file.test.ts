import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { listOf, parseEnvironment, quoteValue } from './environment-file.ts';

test.each([
  ['A=b', { A: 'b' }],
  ['A=', { A: '' }],
  ['A="b c"', { A: 'b c' }],
  ['A=\'b $c "d"\'', { A: 'b $c "d"' }],
  ['A="b \\"c\\" \\\\ \\$d \\e"', { A: 'b "c" \\ $d \\e' }],
  ['A=b\\ c', { A: 'b c' }],
  ['A="b"c\'d\'', { A: 'bcd' }],
  ['export A=b', { A: 'b' }],
  ['  A=b  ', { A: 'b' }],
  ['A=b # why', { A: 'b' }],
  ['A=b#c', { A: 'b#c' }],
  ['A=/var /etc', { A: '/var /etc' }],
  ['A=1\nA=2', { A: '2' }],
  ['# note\n\n  # more\nA=1', { A: '1' }],
  ['A="1\n2\n"\nB=3', { A: '1\n2\n', B: '3' }],
  ['A="1 \\\n2"', { A: '1 2' }],
  ['A=b\r\nB=c\r\n', { A: 'b', B: 'c' }],
] as const)('%j', (text, values) => {
  const environment = parseEnvironment(text);
  expect(Object.fromEntries(environment.values)).toEqual({ ...values });
  expect(environment.problems).toEqual([]);
});

test('what cannot be read is told with its line and spoils nothing else', () => {
  const { values, problems } = parseEnvironment('A=1\nnot an assignment\n2B=3\nC="open\nD=4\n');
  expect(Object.fromEntries(values)).toEqual({ A: '1', C: 'open', D: '4' });
  expect(problems).toEqual([
    { line: 2, message: 'expected NAME=value, found "not an assignment"' },
    { line: 3, message: 'expected NAME=value, found "2B=3"' },
    { line: 4, message: 'the quote of C is never closed' },
  ]);
});

test('a quoted value is read back', () => {
  const unit = fc.constantFrom(...'a=# \t\n\r"\'\\$`é');
  fc.assert(
    fc.property(fc.string({ unit }), (value) => {
      const { values, problems } = parseEnvironment(`BEFORE=1\nA=${quoteValue(value)}\nAFTER=2\n`);
      expect([values.get('BEFORE'), values.get('A'), values.get('AFTER')]).toEqual(['1', value, '2']);
      expect(problems).toEqual([]);
    }),
  );
});

test.each([
  [undefined, []],
  ['', []],
  [' /a\t/b\n/c ', ['/a', '/b', '/c']],
  ['/a\\n/b', ['/a', '/b']],
] as const)('list %j', (text, words) => {
  expect(listOf(text)).toEqual([...words]);
});
