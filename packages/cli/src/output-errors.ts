import { exitCodes, isSystemError } from '@kairos/facts/errors';
import { exitCodeOf, formatError } from './output.ts';

interface Output {
  on(event: 'error', listener: (error: Error) => void): unknown;
  write(text: string, written?: () => void): unknown;
}

/**
 * Hears what goes wrong with the streams that a program writes to; unheard, it would end the program in the middle of
 * its work. A reader that leaves (`| head`) has what it wanted: the work goes on, and its exit code stays. Results that
 * cannot be kept, as on a full disk, are a failure.
 * @returns what gives the exit code at the end, once all is written: that of the work, unless its results are lost
 */
export function hearOutputErrors(stdout: Output, stderr: Output): (code: number) => Promise<number> {
  let lost: Error | undefined;
  stdout.on('error', (error) => {
    if (!isSystemError(error, 'EPIPE')) lost ??= error;
  });
  // Nobody is left to be told.
  stderr.on('error', () => undefined);
  return async (code) => {
    // Who stopped it does not wait for a reader.
    if (code === exitCodes.interrupted) return code;
    await new Promise<void>((written) => stdout.write('', written));
    // What went wrong with a file is told only after the end of the write.
    await new Promise((told) => setImmediate(told));
    return lost === undefined || code !== 0 ? code : exitCodeOfWrite(lost, stderr);
  };
}

/** The exit code where a write of results failed, after saying why. A reader that has left is no failure. */
export function exitCodeOfWrite(error: unknown, stderr: Pick<Output, 'write'>): number {
  if (isSystemError(error, 'EPIPE')) return 0;
  stderr.write(`${formatError(error)}\n`);
  return exitCodeOf(error);
}
