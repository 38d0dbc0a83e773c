import { KairosError, reasonOf } from '@kairos/facts/errors';
import { readWhole } from './digest.ts';
import { StallWatch } from './stall-watch.ts';

export interface HttpInit {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  readonly signal: AbortSignal;
  readonly redirect: 'manual';
  readonly tls?: { readonly ca?: readonly string[]; readonly rejectUnauthorized?: boolean };
}
/** As much of `fetch` as is used, so that tests can stand in for it. */
export type Fetch = (url: string, init: HttpInit) => Promise<Response>;

export interface HttpOptions {
  readonly fetch?: Fetch;
  /** Milliseconds without a byte after which a connection counts as stalled. Default 30000. */
  readonly stallTimeout?: number;
  /** How often a request is tried. Default 5. */
  readonly attempts?: number;
  /** Milliseconds before the second attempt, doubled for each further one. Default 500. */
  readonly backoff?: number;
  readonly signal?: AbortSignal;
  /** Certificate authorities in PEM that are trusted for a host (`host:port`); Bun's own where none is given. */
  readonly certificateAuthorities?: (host: string) => readonly string[];
}

export interface HttpRequest {
  readonly method?: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** The body holds a secret: a redirect to another origin is refused. */
  readonly secretBody?: boolean;
  /** Goes to the origin of the URL only: a redirect elsewhere does not see it. */
  readonly authorization?: string;
  /** Certificates are not verified, and a redirect may lead from https to http. */
  readonly insecure?: boolean;
  readonly attempts?: number;
  readonly stallTimeout?: number;
}

export interface HttpResponse {
  readonly status: number;
  readonly headers: Headers;
  /** Where the answer came from in the end. */
  readonly url: string;
  /**
   * Chunks as they come; a connection that goes silent is a `REGISTRY_STALLED`.
   * @param release A chunk is valid until the next one is asked for: its memory is given back at once. The collector, which
   *   does not see how much there is, would take it for a few small objects.
   */
  body(release?: boolean): AsyncGenerator<Uint8Array>;
  bytes(limit: number, what: string): Promise<Uint8Array>;
  /** Lets the connection go without reading the body. */
  discard(): void;
}

const maximumRedirects = 10;
const maximumWait = 60_000;
const certificateCodes =
  /CERT|SELF_SIGNED|UNABLE_TO_VERIFY|UNABLE_TO_GET_ISSUER|ERR_TLS_CERT_ALTNAME_INVALID|HOSTNAME_MISMATCH/;

/** Origin and path of a URL: redirects carry signatures in their query, which are credentials. */
export function showUrl(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}`;
}

/** A failure that another attempt may not have. */
export class TransientError extends KairosError {
  /** Milliseconds that the server asked to wait. */
  readonly wait: number | undefined;
  constructor(
    code: string,
    message: string,
    options: { cause?: unknown; wait?: number; hint?: string } = {},
  ) {
    super(code, message, {
      exit: 'network',
      ...(options.cause === undefined ? {} : { cause: options.cause }),
      ...(options.hint === undefined ? {} : { hint: options.hint }),
    });
    this.wait = options.wait;
  }
}

const interrupted = () =>
  new KairosError('INTERRUPTED', 'The transfer was interrupted', { exit: 'interrupted' });

function retryAfter(headers: Headers): number | undefined {
  const value = headers.get('retry-after');
  if (value === null) return undefined;
  const wait = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Number.isNaN(wait) ? undefined : Math.min(maximumWait, Math.max(0, wait));
}

/** HTTP as registries need it: retries, a limit on silence, redirects that keep secrets at home. */
export class HttpClient {
  readonly attempts: number;
  private readonly fetch: Fetch;
  private readonly stallTimeout: number;
  private readonly backoff: number;
  private readonly closed = new AbortController();

  constructor(private readonly options: HttpOptions = {}) {
    this.fetch = options.fetch ?? ((url, init) => fetch(url, { ...init, decompress: false } as RequestInit));
    this.stallTimeout = options.stallTimeout ?? 30_000;
    this.attempts = Math.max(1, options.attempts ?? 5);
    this.backoff = options.backoff ?? 500;
  }

  close(): void {
    this.closed.abort();
  }

  /** What ends every wait. */
  private signals(): AbortSignal[] {
    const { signal } = this.options;
    return [this.closed.signal, ...(signal === undefined ? [] : [signal])];
  }

  private stopped(): boolean {
    return this.options.signal?.aborted === true || this.closed.signal.aborted;
  }

  throwIfAborted(): void {
    if (this.stopped()) throw interrupted();
  }

  /** Waits before the attempt that follows failure number `failures`, the server's wish first. */
  async pause(failures: number, wait?: number): Promise<void> {
    const own = this.backoff * 2 ** (failures - 1) * (0.75 + Math.random() / 2);
    this.throwIfAborted();
    const signals = this.signals();
    await new Promise<void>((resolve) => {
      const timer = setTimeout(done, Math.min(maximumWait, Math.max(own, wait ?? 0)));
      function done() {
        clearTimeout(timer);
        for (const signal of signals) signal.removeEventListener('abort', done);
        resolve();
      }
      for (const signal of signals) signal.addEventListener('abort', done, { once: true });
    });
    this.throwIfAborted();
  }

  /**
   * Sends a request until it is answered with something else than "try again", and gives any such answer.
   * @throws KairosError `REGISTRY_UNREACHABLE`, `REGISTRY_STALLED`, `REGISTRY_BUSY`, `REGISTRY_CERTIFICATE`,
   *   `REGISTRY_REDIRECT`, `INTERRUPTED`
   */
  async send(url: string, request: HttpRequest = {}): Promise<HttpResponse> {
    const attempts = request.attempts ?? this.attempts;
    for (let failures = 1; ; failures++) {
      try {
        return await this.follow(url, request);
      } catch (error) {
        if (!(error instanceof TransientError) || failures >= attempts) throw error;
        await this.pause(failures, error.wait);
      }
    }
  }

  /**
   * Sends a request and reads the answer's body, both again where the body breaks off or goes silent: `send` tries again
   * until there is an answer, which is before the body is.
   * @throws KairosError what `send` and `read` throw
   */
  async ask<T>(send: () => Promise<HttpResponse>, read: (response: HttpResponse) => Promise<T>): Promise<T> {
    for (let failures = 1; ; failures++) {
      const response = await send();
      try {
        return await read(response);
      } catch (error) {
        if (!(error instanceof TransientError) || failures >= this.attempts) throw error;
        await this.pause(failures, error.wait);
      }
    }
  }

  private async follow(start: string, request: HttpRequest): Promise<HttpResponse> {
    let url = start;
    let { authorization } = request;
    for (let hops = 0; hops <= maximumRedirects; hops++) {
      const response = await this.once(url, request, authorization);
      const location = response.headers.get('location');
      if (![301, 302, 303, 307, 308].includes(response.status) || location === null) {
        if (response.status === 429 || [500, 502, 503, 504].includes(response.status)) {
          const wait = retryAfter(response.headers);
          response.discard();
          throw new TransientError('REGISTRY_BUSY', `${showUrl(url)} answers ${response.status}`, {
            ...(wait === undefined ? {} : { wait }),
            ...(response.status === 429
              ? { hint: 'It limits how much is asked of it: wait a while, or log in where that allows more.' }
              : {}),
          });
        }
        return response;
      }
      response.discard();
      const refuse = (reason: string) =>
        new KairosError('REGISTRY_REDIRECT', `${showUrl(url)} redirects ${reason}`, { exit: 'network' });
      const next = URL.parse(location, url);
      if (next === null || (next.protocol !== 'https:' && next.protocol !== 'http:'))
        throw refuse('to no valid URL');
      if (next.protocol === 'http:' && url.startsWith('https:') && !request.insecure) {
        throw refuse(`from https to http (${next.host})`);
      }
      if (next.origin !== new URL(url).origin) {
        if (request.secretBody) throw refuse(`a request that holds a secret to ${next.host}`);
        authorization = undefined;
      }
      url = next.href;
    }
    throw new KairosError(
      'REGISTRY_REDIRECT',
      `${showUrl(start)} redirects more than ${maximumRedirects} times`,
      {
        exit: 'network',
      },
    );
  }

  private async once(
    url: string,
    request: HttpRequest,
    authorization: string | undefined,
  ): Promise<HttpResponse> {
    this.throwIfAborted();
    const controller = new AbortController();
    const stallTimeout = request.stallTimeout ?? this.stallTimeout;
    const secure = url.startsWith('https:');
    const ca = secure ? this.options.certificateAuthorities?.(new URL(url).host) : undefined;
    const tls = {
      ...(ca === undefined || ca.length === 0 ? {} : { ca }),
      ...(secure && request.insecure ? { rejectUnauthorized: false } : {}),
    };
    const answer = this.fetch(url, {
      method: request.method ?? 'GET',
      headers: {
        // A blob's digest is that of the bytes as they are stored.
        'accept-encoding': 'identity',
        'user-agent': 'kairos',
        ...request.headers,
        ...(authorization === undefined ? {} : { authorization }),
      },
      ...(request.body === undefined ? {} : { body: request.body }),
      signal: controller.signal,
      redirect: 'manual',
      ...(Object.keys(tls).length === 0 ? {} : { tls }),
    });
    const response = await this.within(answer, stallTimeout, controller, url);
    const client = this;
    async function* body(release = false): AsyncGenerator<Uint8Array> {
      if (response.body === null) return;
      const reader = (response.body as ReadableStream<Uint8Array>).getReader();
      const watch = client.watch(stallTimeout, url, () => {
        // Ends a read that nothing else would end.
        reader.cancel().catch(() => undefined);
        controller.abort();
      });
      try {
        for (;;) {
          watch.begin();
          const { done, value } = await reader.read();
          watch.came();
          if (watch.failure !== undefined) throw watch.failure;
          if (done) return;
          yield value;
          if (release && value.length === value.buffer.byteLength) (value.buffer as ArrayBuffer).transfer(0);
        }
      } catch (error) {
        throw client.failed(watch.failure ?? error, url);
      } finally {
        watch.end();
        controller.abort();
      }
    }
    return {
      status: response.status,
      headers: response.headers,
      url,
      body,
      bytes: (limit, what) => readWhole(body(), limit, what),
      discard: () => {
        // Ending a body that nobody began to read.
        response.body?.cancel().catch(() => undefined);
        controller.abort();
      },
    };
  }

  /** Watches over waiting for a server. */
  private watch(timeout: number, url: string, onFailure: (failure: Error) => void): StallWatch {
    const signals = this.signals();
    const late = () =>
      new TransientError('REGISTRY_STALLED', `${showUrl(url)} sends nothing for ${timeout / 1000} s`);
    return new StallWatch(timeout, signals, late, onFailure);
  }

  /** What a promise gives, unless nothing comes for too long; failures as errors of this project. */
  private async within<T>(
    promise: Promise<T>,
    timeout: number,
    controller: AbortController,
    url: string,
  ): Promise<T> {
    const { promise: stalled, reject } = Promise.withResolvers<never>();
    const watch = this.watch(timeout, url, reject);
    watch.begin();
    try {
      return await Promise.race([promise, stalled]);
    } catch (error) {
      controller.abort();
      throw this.failed(error, url);
    } finally {
      watch.end();
    }
  }

  /** A failure as an error of this project. */
  private failed(error: unknown, url: string): KairosError {
    if (error instanceof KairosError) return error;
    if (this.stopped()) return interrupted();
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    const { host } = new URL(url);
    if (certificateCodes.test(code)) {
      return new KairosError(
        'REGISTRY_CERTIFICATE',
        `The certificate of ${host} is not trusted: ${reasonOf(error)}`,
        {
          exit: 'network',
          hint: 'Give its certificate authority, or allow the registry as insecure.',
        },
      );
    }
    return new TransientError(
      'REGISTRY_UNREACHABLE',
      `${host} cannot be reached or broke off: ${plainReason(error, code)}`,
      {
        hint:
          code === 'EPROTO'
            ? 'If it speaks http only, allow the registry as insecure; else check the port.'
            : 'Check the name, the network and whether the server runs.',
      },
    );
  }
}

/** The reason of a failed fetch without the URL, which may carry a signature, and without advice to programmers. */
function plainReason(error: unknown, code: string): string {
  const text = reasonOf(error)
    .replace(/\.? *For more information, pass `verbose: true`.*$/s, '')
    .replaceAll(/"?https?:\/\/[^\s"]+"?/g, 'it');
  return code === '' || text.includes(code) ? text : `${text} (${code})`;
}
