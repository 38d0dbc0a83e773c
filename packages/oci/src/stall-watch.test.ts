import { expect, test } from 'bun:test';
import { StallWatch } from './stall-watch.ts';

const late = () => new Error('late');

/** A watch, and what it fails with. */
function watch(timeout: number, signals: readonly AbortSignal[] = []) {
  const { promise, resolve } = Promise.withResolvers<Error>();
  return { watch: new StallWatch(timeout, signals, late, resolve), failed: promise };
}

test('a wait that takes too long fails, once', async () => {
  const made = watch(20);
  const started = performance.now();
  made.watch.begin();
  expect((await made.failed).message).toBe('late');
  expect(made.watch.failure?.message).toBe('late');
  expect(performance.now() - started).toBeGreaterThanOrEqual(18);
});

test('waits that end count for nothing, nor does the time between them', async () => {
  const made = watch(40);
  const other = watch(100);
  for (let turn = 0; turn < 1000; turn++) {
    made.watch.begin();
    made.watch.came();
  }
  other.watch.begin();
  await other.failed;
  expect(made.watch.failure).toBeUndefined();
  made.watch.begin();
  expect((await made.failed).message).toBe('late');
});

test('a signal ends all waiting, also one that came before', async () => {
  const controller = new AbortController();
  const made = watch(60_000, [controller.signal]);
  controller.abort();
  expect((await made.failed).message).toBe('stopped');
  expect((await watch(60_000, [controller.signal]).failed).message).toBe('stopped');
});

test('nothing fails any more after the end', () => {
  const controller = new AbortController();
  const made = watch(60_000, [controller.signal]);
  made.watch.end();
  controller.abort();
  expect(made.watch.failure).toBeUndefined();
});
