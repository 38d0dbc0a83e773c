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
  ['- { name: a, passwd: hunter2, uid: 7 }', '- { name: a, passwd: ********, uid: 7 }'],
  ['users: [{ "passwd": "a, b}", shell: x }]', 'users: [{ "passwd": ********, shell: x }]'],
  ['env: {K3S_TOKEN: [s3cr3t]}', 'env: {K3S_TOKEN: ********}'],
  ["- run --token='a b' --now", '- run --token=******** --now'],
  ['- K3S_TOKEN=abc k3s', '- K3S_TOKEN=******** k3s'],
  ['  lock_passwd: true', '  lock_passwd: true'],
  ['- { lockPasswd: false, passwd: "" }', '- { lockPasswd: false, passwd: "" }'],
  ['config_url: https://me:pw@h.org/x?token=a', 'config_url: https://********@h.org/x?token=********'],
  ['- - passwd: x', '- - passwd: ********'],
  ['passwd:', 'passwd:'],
])('%s', (line, shown) => {
  expect(withoutSecrets(line)).toBe(shown);
});

test('the caret stays below its place where something before it is hidden', () => {
  const text = '- { passwd: correct horse battery, uid: x, token: t }';
  const shown = (column: number) =>
    formatProblem({ severity: 'error', code: 'X', message: 'm', position: at(1, column) }, () => text)
      .split('\n')
      .slice(1, 3)
      .map((line) => line.slice(8));
  const line = '- { passwd: ********, uid: x, token: ******** }';
  expect(shown(text.indexOf('x, token') + 1)).toEqual([line, `${' '.repeat(line.indexOf('x, token'))}^`]);
  expect(shown(text.indexOf('horse') + 1)).toEqual([line, `${' '.repeat(line.indexOf('********'))}^`]);
  expect(shown(3)).toEqual([line, '  ^']);
});

test('a long line is cut around the place', () => {
  const problem: Problem = { severity: 'warning', code: 'X', message: 'm', position: at(1, 500) };
  const [, line, caret] = formatProblem(problem, () => 'x'.repeat(1000)).split('\n');
  expect(line?.length).toBe(108);
  expect(caret?.indexOf('^')).toBe(8 + 49);
});

test.each(['a-', '{', '{a', ', ', '"', "passwd='", 'a=', '{ a: ', '- ', 'passwd: [', '{passwd: a '])(
  'a line of a megabyte of %j is shown within the time of a test',
  (part) => {
    const text = part.repeat(Math.floor(1_000_000 / part.length));
    const problem: Problem = { severity: 'error', code: 'X', message: 'm', position: at(1, 999_990) };
    expect(formatProblem(problem, () => text).length).toBeLessThan(400);
  },
);

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
