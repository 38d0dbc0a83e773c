import { expect, test } from 'bun:test';
import { formatProblem, type Problem, sortProblems, valueWithoutSecrets, withoutSecrets } from './problem.ts';

const at = (line: number, column: number, file = 'a.yaml') => ({ file, line, column });

test('shows the line with a caret, the hint and related places', () => {
  const problem: Problem = {
    severity: 'error',
    code: 'KEY_UNKNOWN',
    message: 'unknown key permsisions',
    position: at(2, 5),
    length: 11,
    hint: 'did you mean permissions?',
    related: [{ position: at(9, 1, 'b.yaml'), message: 'set here too' }],
  };
  expect(formatProblem(problem, () => 'files:\n  - permsisions: 0600\n')).toBe(
    [
      'a.yaml:2:5: error: unknown key permsisions',
      '    2 |   - permsisions: 0600',
      '      |     ^^^^^^^^^^^',
      '      = hint: did you mean permissions?',
      '      = b.yaml:9:1: set here too',
    ].join('\n'),
  );
});

test.each([
  ['    passwd: hunter2', '    passwd: ********'],
  ['  - network_token: "abc"', '  - network_token: ********'],
  ['password=hunter2 on a line', 'password=******** on a line'],
  ['hostname: passwd', 'hostname: passwd'],
  ['passwd:', 'passwd:'],
])('%s', (line, shown) => {
  expect(withoutSecrets(line)).toBe(shown);
});

test('a long line is cut around the place', () => {
  const problem: Problem = { severity: 'warning', code: 'X', message: 'm', position: at(1, 500) };
  const [, line, caret] = formatProblem(problem, () => 'x'.repeat(1000)).split('\n');
  expect(line?.length).toBe(108);
  expect(caret?.indexOf('^')).toBe(8 + 49);
});

test('sorted by place', () => {
  const make = (line: number, column: number, file?: string): Problem => ({
    severity: 'error',
    code: 'X',
    message: '',
    position: at(line, column, file),
  });
  const sorted = sortProblems([make(2, 1, 'b'), make(3, 1, 'a'), make(1, 9, 'a'), make(1, 2, 'a')]);
  expect(sorted.map(({ position }) => `${position.file}${position.line}${position.column}`)).toEqual([
    'a12',
    'a19',
    'a31',
    'b21',
  ]);
});

test('values of secret keys are hidden at any depth', () => {
  const users = [{ name: 'a', passwd: 'x', lock_passwd: true }];
  expect(valueWithoutSecrets({ users, p2p: { network_token: 't', auto: {} } })).toEqual({
    users: [{ name: 'a', passwd: '********', lock_passwd: true }],
    p2p: { network_token: '********', auto: {} },
  });
  expect(valueWithoutSecrets('t', ['p2p', 'network_token'])).toBe('********');
  expect(valueWithoutSecrets('', ['p2p', 'network_token'])).toBe('');
});
