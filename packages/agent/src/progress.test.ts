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
