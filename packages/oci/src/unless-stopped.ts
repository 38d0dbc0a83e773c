import { KairosError } from '@kairos/facts/errors';

/**
 * The pieces of an archive, until somebody stops. Between pieces and not between entries: one entry may be as large as a
 * disk, and so may be what follows the last.
 * @throws KairosError `INTERRUPTED`
 */
export async function* unlessStopped(
  stream: AsyncIterable<Uint8Array>,
  name: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  for await (const piece of stream) {
    if (signal?.aborted) {
      throw new KairosError('INTERRUPTED', `Unpacking ${name} was interrupted`, { exit: 'interrupted' });
    }
    yield piece;
  }
}
