import { expect, test } from 'bun:test';
import { PassThrough } from 'node:stream';
import { countdown } from './countdown.ts';

function terminal(isTTY: boolean) {
  const input = Object.assign(new PassThrough(), { isTTY }) as unknown as NodeJS.ReadStream;
  let text = '';
  return { input, output: { write: (more: string) => (text += more), isTTY }, text: () => text };
}
const never = new AbortController().signal;

test('Enter stops it before anything was changed', async () => {
  const { text, ...streams } = terminal(true);
  const waiting = countdown(60, never, streams);
  (streams.input as unknown as PassThrough).write('\n');
  await expect(waiting).rejects.toMatchObject({ code: 'RESET_ABORTED', exitCode: 130 });
  expect(text()).toStartWith('Enter or Ctrl-C stops it; it begins in 60 s\n');
  expect(streams.input.listenerCount('data')).toBe(0);
});

test.each([true, false])('a signal stops it, on a terminal: %p', async (isTTY) => {
  const { text, ...streams } = terminal(isTTY);
  const stop = new AbortController();
  const waiting = countdown(60, stop.signal, streams);
  stop.abort();
  await expect(waiting).rejects.toMatchObject({ code: 'RESET_ABORTED' });
  expect(text()).toContain('Ctrl-C stops it');
});

test('what comes on standard input counts only on a terminal', async () => {
  const { text: _, ...streams } = terminal(false);
  const stop = new AbortController();
  const waiting = countdown(60, stop.signal, streams);
  (streams.input as unknown as PassThrough).write('\n');
  expect(streams.input.listenerCount('data')).toBe(0);
  stop.abort();
  await expect(waiting).rejects.toMatchObject({ code: 'RESET_ABORTED' });
});

test('a signal that came before stops it, and no wait is none', async () => {
  const { text, ...streams } = terminal(true);
  await expect(countdown(60, AbortSignal.abort(), streams)).rejects.toMatchObject({ code: 'RESET_ABORTED' });
  const before = text();
  await countdown(0, never, streams);
  expect(text()).toBe(before);
});
