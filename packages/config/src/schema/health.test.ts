import { expect, test } from 'bun:test';
import { parseDocument } from '../document.ts';
import { treeOfDocument } from '../tree.ts';
import { validate } from '../validate.ts';
import { durationMilliseconds } from './health.ts';

const problems = (text: string) =>
  validate(treeOfDocument(parseDocument(text, 'f.yaml')), { strict: false }).map(
    ({ position, hint, message }) => `${position.line}:${position.column} ${hint ?? message}`,
  );

test.each([
  'health:\n  deadline: 5m\n  checks:\n    - { command: "curl -f http://localhost" }\n',
  'health:\n  checks:\n    - { units: [ssh.service], required: false }\n    - { default-route: true }\n',
  'health:\n  checks:\n    - { kubernetes-node-ready: true, timeout: 90 }\nwatchdog: true\n',
  'watchdog: 60s\n',
])('%j is valid', (text) => {
  expect(problems(text)).toEqual([]);
});

test.each([
  ['health:\n  deadline: soon\n', '2:13'],
  ['health:\n  checks:\n    - { comand: x }\n', '3:'],
  ['health:\n  checks:\n    - { command: x, default-route: true }\n', '3:'],
  ['watchdog: often\n', '1:'],
])('%j is a mistake, with its place', (text, place) => {
  const found = problems(text);
  expect(found.length).toBeGreaterThan(0);
  expect(found[0]).toStartWith(place);
});

test('times', () => {
  expect([90, '90', '90s', '5m', '2h', null].map((value) => durationMilliseconds(value))).toEqual([
    ...[90_000, 90_000, 90_000, 300_000, 7_200_000, undefined],
  ]);
});
