import { expect, test } from 'bun:test';
import fc from 'fast-check';
import {
  afterEvent,
  endedView,
  type InstallEvent,
  parseEvent,
  reportedError,
  startedView,
} from './run-view.ts';

const now = new Date(0);
const start = startedView(1, 'nothing', now);
const progress = (step: string, more: Partial<InstallEvent & { done: number; total: number }> = {}) =>
  ({ event: 'progress', step, message: step, ...more }) as InstallEvent;

test.each([
  [[progress('partition')], 1],
  [[{ event: 'step', step: 'active' } as const], 7],
  [[progress('active', { done: 1, total: 2 })], 22],
  [[progress('active', { done: 2, total: 2 })], 37],
  [[progress('passive', { done: 5, total: 5 })], 95],
  [[progress('done', { done: 1, total: 1 })], 99],
  [[progress('recovery'), progress('active', { done: 1, total: 2 })], 38],
  [[progress('network', { done: 1, total: 1 })], 0],
])('%j is %d percent', (events, percent) => {
  expect(events.reduce(afterEvent, start).percent).toBe(percent);
});

test('it never goes back and never ends by itself', () => {
  const event = fc.oneof(
    fc.record({
      ...{ event: fc.constant('progress' as const), message: fc.string() },
      step: fc.constantFrom(
        'prepare',
        'partition',
        'active',
        'recovery',
        'passive',
        'done',
        'warning',
        'boot',
      ),
      done: fc.integer({ min: -5, max: 20 }),
      total: fc.integer({ min: 0, max: 10 }),
    }),
    fc.record({ event: fc.constant('step' as const), step: fc.string() }),
  );
  fc.assert(
    fc.property(fc.array(event, { maxLength: 40 }), (events) => {
      let view = start;
      for (const one of events) {
        const next = afterEvent(view, one);
        expect(next.percent).toBeGreaterThanOrEqual(view.percent);
        expect(next.percent).toBeLessThan(100);
        view = next;
      }
    }),
  );
});

test('warnings are kept, stages have their name in the log, lines are not repeated', () => {
  const events = [progress('warning', { message: 'w' }), progress('before-x', { message: 'm' })];
  const view = [...events, progress('active'), progress('active')].reduce(afterEvent, start);
  expect(view.warnings).toEqual(['w']);
  expect(view.log).toEqual(['warning: w', 'before-x: m', 'active']);
});

test('the log is bounded', () => {
  let view = start;
  for (let count = 0; count < 1500; count++)
    view = afterEvent(view, progress('active', { message: `${count}` }));
  expect(view.log.length).toBe(1000);
  expect(view.log.at(-1)).toBe('1499');
});

test('only success is 100 percent', () => {
  expect(endedView(start, 'succeeded', now, {}).percent).toBe(100);
  expect(endedView(start, 'failed', now, { error: { code: 'X', message: 'm' } })).toMatchObject({
    ...{ percent: 0, log: ['error: m'], state: 'failed' },
  });
});

test.each([
  ['', undefined],
  ['text\n', undefined],
  ['{"error":{"message":"m"}}\n', { code: 'FAILED', message: 'm' }],
  ['{"error":{"code":"C","message":"m","hint":"h"}}\ntrailer\n', { code: 'C', message: 'm', hint: 'h' }],
  ['{"error":{"code":"C","message":"m"}}\n{broken', { code: 'C', message: 'm' }],
])('the error of %p', (stderr, error) => {
  expect(reportedError(stderr)).toEqual(error);
});

test('lines that are no events are none', () => {
  expect(['', 'text', '{"event":', '{"installed":true}'].map(parseEvent)).toEqual(Array(4).fill(undefined));
});
