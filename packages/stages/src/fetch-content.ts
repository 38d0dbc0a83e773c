import { KairosError, reasonOf } from '@kairos/facts/errors';
import { formatSize } from '@kairos/facts/size';
import type { StageServices } from './context.ts';

export interface FetchLimits {
  /** Bytes of the body. */
  readonly size: number;
  /** Milliseconds for one attempt, from the request to the last byte. */
  readonly time: number;
  /** Default 1. */
  readonly attempts?: number;
  /** Milliseconds between attempts. Default 1000. */
  readonly pause?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly method?: 'GET' | 'PUT';
  readonly signal?: AbortSignal;
}

/** An answer of the server that another attempt does not change. */
class Refused extends KairosError {}

async function attempt(
  services: Pick<StageServices, 'fetch'>,
  url: string,
  limits: FetchLimits,
): Promise<Uint8Array> {
  const clock = AbortSignal.timeout(limits.time);
  const signal = limits.signal === undefined ? clock : AbortSignal.any([clock, limits.signal]);
  const response = await services.fetch(url, {
    method: limits.method ?? 'GET',
    signal,
    ...(limits.headers === undefined ? {} : { headers: limits.headers }),
  });
  if (!response.ok) {
    await response.body?.cancel();
    const message = `${url} answered ${response.status}${response.statusText ? ` ${response.statusText}` : ''}`;
    const again = response.status >= 500 || response.status === 429 || response.status === 408;
    throw again
      ? new KairosError('HTTP_STATUS', message, { exit: 'network' })
      : new Refused('HTTP_STATUS', message, { exit: response.status === 404 ? 'notFound' : 'network' });
  }
  const tooLarge = (size: number) =>
    new Refused(
      'CONTENT_TOO_LARGE',
      `${url} has ${size > limits.size ? formatSize(size) : 'more'}; at most ${formatSize(limits.size)} are taken`,
      { exit: 'network' },
    );
  const announced = Number(response.headers.get('content-length') ?? 0);
  if (announced > limits.size) {
    await response.body?.cancel();
    throw tooLarge(announced);
  }
  const pieces: Uint8Array[] = [];
  let size = 0;
  const reader = response.body?.getReader();
  while (reader !== undefined) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.length;
    if (size > limits.size) {
      await reader.cancel();
      throw tooLarge(size);
    }
    pieces.push(value);
  }
  return Buffer.concat(pieces);
}

/**
 * Fetches a body within limits of size and time, with certificates checked as `fetch` does.
 * @throws KairosError `URL_INVALID`, `FETCH_FAILED` (after all attempts), `HTTP_STATUS`, `CONTENT_TOO_LARGE`
 */
export async function fetchContent(
  services: Pick<StageServices, 'fetch' | 'delay'>,
  url: string,
  limits: FetchLimits,
): Promise<Uint8Array> {
  if (!/^https?:\/\/[^\s/]/.test(url) || !URL.canParse(url)) {
    throw new KairosError('URL_INVALID', `${JSON.stringify(url)} is not an http or https address`, {
      exit: 'invalidInput',
    });
  }
  const attempts = limits.attempts ?? 1;
  for (let count = 1; ; count++) {
    try {
      return await attempt(services, url, limits);
    } catch (error) {
      if (error instanceof Refused || limits.signal?.aborted) throw error;
      if (count < attempts) {
        await services.delay(limits.pause ?? 1000);
        continue;
      }
      if (error instanceof KairosError) throw error;
      const late = error instanceof Error && error.name === 'TimeoutError';
      throw new KairosError(
        'FETCH_FAILED',
        `cannot fetch ${url}${attempts > 1 ? ` in ${attempts} attempts` : ''}: ${late ? `no answer within ${limits.time} ms` : reasonOf(error)}`,
        { exit: 'network', cause: error },
      );
    }
  }
}
