import { expect, test } from 'bun:test';
import { progressEvents } from './progress.ts';

test('a step is told once, an error with its message', () => {
  const lines: string[] = [];
  const events = progressEvents((line) => lines.push(line));
  events.step('partition');
  events.step('partition');
  events.step('active');
  events.error('no "space"');
  expect(lines).toEqual([
    '{"event":"step","step":"partition"}\n',
    '{"event":"step","step":"active"}\n',
    '{"event":"error","message":"no \\"space\\""}\n',
  ]);
});

test('details are told on request: bytes now and then, the last ones always', () => {
  const lines: string[] = [];
  let clock = 0;
  const quiet = progressEvents((line) => lines.push(line));
  quiet.report({ step: 'active', message: 'copying' });
  expect(lines).toEqual([]);
  const events = progressEvents((line) => lines.push(line), { detail: true, now: () => clock });
  for (const done of [0, 1, 2, 3, 4]) {
    events.report({ step: 'active', message: 'copying', done, total: 4 });
    clock += 150;
  }
  events.report({ step: 'warning', message: 'careful' });
  expect(lines.map((line) => JSON.parse(line))).toEqual([
    ...[0, 2, 4].map((done) => ({ event: 'progress', step: 'active', message: 'copying', done, total: 4 })),
    { event: 'progress', step: 'warning', message: 'careful' },
  ]);
});
