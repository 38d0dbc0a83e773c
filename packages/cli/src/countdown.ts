import { KairosError } from '@kairos/facts/errors';

export interface CountdownStreams {
  readonly input: NodeJS.ReadStream;
  readonly output: { write(text: string): unknown; readonly isTTY?: boolean };
}

/** A line every so many seconds where the output is no terminal. */
const plainInterval = 10;

/**
 * Counts down before something that cannot be undone. Enter, or a signal, stops it; without a terminal only a signal.
 * @param seconds 0 does not wait
 * @throws KairosError `RESET_ABORTED`
 */
export async function countdown(
  seconds: number,
  signal: AbortSignal,
  { input, output }: CountdownStreams,
): Promise<void> {
  if (seconds <= 0) return;
  const asks = Boolean(input.isTTY);
  let stop: () => void = () => undefined;
  const stopped = new Promise<true>((resolve) => {
    stop = () => resolve(true);
  });
  if (signal.aborted) stop();
  signal.addEventListener('abort', stop, { once: true });
  if (asks) input.once('data', stop).resume();
  output.write(`${asks ? 'Enter or Ctrl-C stops it' : 'Ctrl-C stops it'}; it begins in ${seconds} s\n`);
  try {
    for (let left = seconds; left > 0; left--) {
      if (output.isTTY) output.write(`\r${String(left).padStart(3)} s `);
      else if (left !== seconds && left % plainInterval === 0) output.write(`${left} s\n`);
      let timer: ReturnType<typeof setTimeout> | undefined;
      const second = new Promise<false>((resolve) => {
        timer = setTimeout(() => resolve(false), 1000);
      });
      const ended = await Promise.race([stopped, second]);
      clearTimeout(timer);
      if (ended) {
        throw new KairosError('RESET_ABORTED', 'Stopped before anything was changed', {
          exit: 'interrupted',
        });
      }
    }
  } finally {
    if (output.isTTY) output.write('\n');
    signal.removeEventListener('abort', stop);
    if (asks) {
      input.off('data', stop);
      input.pause();
    }
  }
}
