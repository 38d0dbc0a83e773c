import { createInterface } from 'node:readline/promises';
import { KairosError } from '@kairos/facts/errors';

/**
 * Asks for a line at a terminal.
 * @throws KairosError `INTERRUPTED` at Ctrl-C, Ctrl-D and the end of input
 */
export async function askLine(
  question: string,
  streams: { readonly input: NodeJS.ReadableStream; readonly output: NodeJS.WritableStream },
): Promise<string> {
  const terminal = createInterface(streams);
  // Without a question that is answered, nothing else tells of the end of input.
  const closed = new Promise<undefined>((resolve) => terminal.once('close', () => resolve(undefined)));
  try {
    const answer = await Promise.race([
      terminal.question(question).catch((error: unknown) => {
        if (error instanceof Error && 'code' in error && error.code === 'ABORT_ERR') return undefined;
        throw error;
      }),
      closed,
    ]);
    if (answer !== undefined) return answer.trim();
    streams.output.write('\n');
    throw new KairosError('INTERRUPTED', 'Left without an answer; nothing was changed', {
      exit: 'interrupted',
    });
  } finally {
    terminal.close();
  }
}
