import { expect, test } from 'bun:test';
import { directoryHost } from '@kairos/host/directory';
import { RootTree } from '@kairos/host/root-tree';
import { type Build, timed, together } from './build-run.ts';

const build = (signal: AbortSignal, told: unknown[]): Build => ({
  ...{ host: directoryHost('/'), tree: new RootTree('/nowhere'), work: '/nowhere', milliseconds: {} },
  request: { definition: {}, directory: '/', output: '/nowhere', executable: '/nowhere' },
  options: {
    ...{ cacheDirectory: '/nowhere', workDirectory: '/nowhere', signal },
    onProgress: (event) => told.push(event),
  },
});

test('a step is told and its time is noted, even where it fails', async () => {
  const told: unknown[] = [];
  const running = build(new AbortController().signal, told);
  expect(await timed(running, 'a', 'Doing a', async () => 1)).toBe(1);
  const failing = timed(running, 'b', 'Doing b', () => Promise.reject(new Error('no')));
  await expect(failing).rejects.toThrow('no');
  expect(told).toEqual([
    { step: 'a', message: 'Doing a' },
    { step: 'b', message: 'Doing b' },
  ]);
  expect(Object.keys(running.milliseconds)).toEqual(['a', 'b']);
});

test('after an interruption no step begins', async () => {
  const told: unknown[] = [];
  const step = timed(build(AbortSignal.abort(), told), 'a', 'Doing a', async () => told.push('done'));
  await expect(step).rejects.toMatchObject({ code: 'INTERRUPTED', exit: 'interrupted' });
  expect(told).toEqual([]);
});

test('a failure is passed on when the other has ended', async () => {
  const order: string[] = [];
  const other = Promise.withResolvers<void>();
  const both = together([
    Promise.reject(new Error('no')),
    other.promise.then(() => order.push('other')),
  ]).catch(() => order.push('failure'));
  other.resolve();
  await both;
  expect(order).toEqual(['other', 'failure']);
  expect(await together([Promise.resolve(1), Promise.resolve('a')])).toEqual([1, 'a']);
});
