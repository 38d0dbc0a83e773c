import { KairosError, reasonOf } from '@kairos/facts/errors';
import { formatSize } from '@kairos/facts/size';
import { urlWithoutSecrets } from '@kairos/facts/url';
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

/** Why a request failed, without the advice that the runtime gives to programmers. */
function reasonOfFailure(error: unknown): string {
  const reason = reasonOf(error);
  if (reason.startsWith('TooManyRedirects')) return 'it redirects without an end';
  if (reason.startsWith('UnsupportedRedirectProtocol')) return 'it redirects to what is not http or https';
  return reason.replace(/ (?:For more information, pass `verbose|Is the computer able to).*$/s, '');
}

async function attempt<T>(
  services: Pick<StageServices, 'fetch'>,
  url: string,
  limits: FetchLimits,
  take: (body: AsyncIterable<Uint8Array>) => Promise<T>,
): Promise<T> {
  const clock = AbortSignal.timeout(limits.time);
  const signal = limits.signal === undefined ? clock : AbortSignal.any([clock, limits.signal]);
  const response = await services.fetch(url, {
    method: limits.method ?? 'GET',
    signal,
    ...(limits.headers === undefined ? {} : { headers: limits.headers }),
  });
  if (!response.ok) {
    await response.body?.cancel();
    const message = `${urlWithoutSecrets(url)} answered ${response.status}${response.statusText ? ` ${response.statusText}` : ''}`;
    const again = response.status >= 500 || response.status === 429 || response.status === 408;
    throw again
      ? new KairosError('HTTP_STATUS', message, { exit: 'network' })
      : new Refused('HTTP_STATUS', message, { exit: response.status === 404 ? 'notFound' : 'network' });
  }
  const tooLarge = (size: number) =>
    new Refused(
      'CONTENT_TOO_LARGE',
      `${urlWithoutSecrets(url)} has ${formatSize(size)} or more; at most ${formatSize(limits.size)} are taken`,
      { exit: 'network' },
    );
  const announced = Number(response.headers.get('content-length') ?? 0);
  if (announced > limits.size) {
    await response.body?.cancel();
    throw tooLarge(announced);
  }
  const { body } = response;
  async function* limited(): AsyncGenerator<Uint8Array> {
    if (body === null) return;
    let size = 0;
    const reader = body.getReader();
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        size += value.length;
        if (size > limits.size) throw tooLarge(size);
        yield value;
      }
    } finally {
      await reader.cancel().catch(() => undefined);
    }
  }
  return take(limited());
}

/**
 * Fetches a body within limits of size and time, with certificates checked as `fetch` does, and hands it over in
 * pieces. `take` is called again for each attempt.
 * @throws KairosError `URL_INVALID`, `FETCH_FAILED` (after all attempts), `HTTP_STATUS`, `CONTENT_TOO_LARGE`
 */
export async function fetchStream<T>(
  services: Pick<StageServices, 'fetch' | 'delay'>,
  url: string,
  limits: FetchLimits,
  take: (body: AsyncIterable<Uint8Array>) => Promise<T>,
): Promise<T> {
  if (!/^https?:\/\/[^\s/]/.test(url) || !URL.canParse(url)) {
    throw new KairosError(
      'URL_INVALID',
      `${JSON.stringify(urlWithoutSecrets(url))} is not an http or https address`,
      {
        exit: 'invalidInput',
      },
    );
  }
  const attempts = limits.attempts ?? 1;
  for (let count = 1; ; count++) {
    try {
      return await attempt(services, url, limits, take);
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
        `cannot fetch ${urlWithoutSecrets(url)}${attempts > 1 ? ` in ${attempts} attempts` : ''}: ${late ? `no answer within ${limits.time} ms` : reasonOfFailure(error)}`,
        { exit: 'network', cause: error },
      );
    }
  }
}

/** A whole body; see {@link fetchStream}. */
export function fetchContent(
  services: Pick<StageServices, 'fetch' | 'delay'>,
  url: string,
  limits: FetchLimits,
): Promise<Uint8Array> {
  return fetchStream(services, url, limits, async (body) => Buffer.concat(await Array.fromAsync(body)));
}
