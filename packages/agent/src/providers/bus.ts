import { KairosError, reasonOf } from '@kairos/facts/errors';
import type { Host } from '@kairos/host/host';
import { z } from 'zod';
import { type ProviderEvent, type TimeoutSettings, timeoutOf } from './events.ts';
import { findProviders, type Provider, type ProviderSearch } from './providers.ts';

/** What one plug-in said. */
export interface ProviderAnswer {
  readonly provider: string;
  /** What the event asks for; often itself JSON. Empty where the plug-in has nothing to say. */
  readonly data: string;
  readonly state: string;
}

/** A plug-in that crashed, hung, printed something else than an answer, or answered with an error. */
export interface ProviderFailure {
  readonly provider: string;
  /** What happened, with the end of what it printed to stderr. */
  readonly reason: string;
}

export interface Published {
  /** In the order of the plug-ins. */
  readonly answers: readonly ProviderAnswer[];
  readonly failures: readonly ProviderFailure[];
}

export interface ProviderBus {
  readonly providers: readonly Provider[];
  /**
   * Tells every plug-in, one after the other. A plug-in that fails is in the result and has been warned of; it never
   * stops the others.
   */
  publish(event: ProviderEvent, payload: unknown): Promise<Published>;
  /** Asks one plug-in after the other until one answers with data, which is `answer`. */
  ask(event: ProviderEvent, payload: unknown): Promise<Published & { readonly answer?: ProviderAnswer }>;
}

/** What plug-ins of the field print: `go-pluggable`'s event response. */
const responseSchema = z.object({
  state: z.string().nullish(),
  data: z.string().nullish(),
  error: z.string().nullish(),
  log: z.string().nullish(),
});

/** A payload larger than this goes by a file: a pipe of the field's libraries is read in one piece of this size. */
const largestInline = 8 * 1024;
/** Bytes that a plug-in may print. */
const maximumOutput = 4 * 1024 * 1024;
/** Below `/run`, so in memory and gone with the boot; for root only. */
const payloadDirectory = '/run/kairos-agent/payloads';
/** Characters of a plug-in's own words that a report keeps. */
const excerptLength = 2000;

function excerpt(text: string): string {
  const clean = text.replaceAll(/[\p{Cc}&&[^\n\t]]/gv, '').trim();
  if (clean.length <= excerptLength) return clean;
  // The beginning says who speaks, the end what happened last.
  return `${clean.slice(0, excerptLength / 4)} … ${clean.slice((-3 * excerptLength) / 4)}`;
}

function withStderr(reason: string, stderr: string): string {
  const said = excerpt(stderr);
  return said === '' ? reason : `${reason}; it said:\n${said}`;
}

/** Puts a large payload where only root reads it. */
function writePayload(host: Host, data: string): string {
  host.files.makeDirectory(payloadDirectory, { mode: 0o700 });
  const path = `${payloadDirectory}/${crypto.randomUUID()}.json`;
  host.files.write(path, data, { mode: 0o600 });
  return path;
}

export interface CallOptions {
  /** Milliseconds; `undefined` for no limit. */
  readonly timeout: number | undefined;
  readonly signal?: AbortSignal;
  /** The `log` of an answer, and lines on stderr as they come. */
  readonly tell: (line: string) => void;
}

/**
 * Calls one plug-in: `PLUGIN EVENT` with one JSON object on stdin, `{"name", "data", "file"}`, which prints one,
 * `{"state", "data", "error", "log"}`.
 * @throws KairosError `PROVIDER_FAILED`, `INTERRUPTED`
 */
export async function callProvider(
  host: Host,
  provider: Provider,
  event: ProviderEvent,
  payload: unknown,
  options: CallOptions,
): Promise<ProviderAnswer> {
  const failed = (reason: string, cause?: unknown) =>
    new KairosError('PROVIDER_FAILED', `The plug-in ${provider.name} failed at ${event}: ${reason}`, {
      exit: 'toolFailed',
      details: { provider: provider.name, path: provider.path, event },
      ...(cause === undefined ? {} : { cause }),
    });
  const data = payload === undefined ? '' : JSON.stringify(payload);
  const file = Buffer.byteLength(data) > largestInline ? writePayload(host, data) : '';
  try {
    const result = await host
      .run([host.files.real(provider.path), event], {
        input: JSON.stringify({
          name: event,
          data: file === '' ? data : '',
          file: file && host.files.real(file),
        }),
        okCodes: Array.from({ length: 256 }, (_, code) => code),
        maximumOutput,
        onLine: (line, stream) => {
          if (stream === 'stderr') options.tell(`${provider.name}: ${excerpt(line)}`);
        },
        ...(options.timeout === undefined ? {} : { timeout: options.timeout }),
        ...(options.signal === undefined ? {} : { signal: options.signal }),
      })
      .catch((error: unknown) => {
        if (options.signal?.aborted) {
          throw new KairosError('INTERRUPTED', `Stopped while ${provider.name} worked on ${event}`, {
            exit: 'interrupted',
          });
        }
        throw failed(excerpt(reasonOf(error)), error);
      });
    let response: z.infer<typeof responseSchema> | undefined;
    try {
      response = responseSchema.parse(JSON.parse(result.stdout));
    } catch {
      response = undefined;
    }
    if (response?.log) options.tell(`${provider.name}: ${excerpt(response.log)}`);
    if (result.code !== 0) {
      const own = response?.error ? `: ${excerpt(response.error)}` : '';
      throw failed(withStderr(`it exited with ${result.code}${own}`, result.stderr));
    }
    if (response === undefined) {
      const printed = excerpt(result.stdout.slice(0, 200));
      const what = printed === '' ? 'it printed nothing' : `it printed ${JSON.stringify(printed)}`;
      throw failed(withStderr(`${what} instead of an answer in JSON`, result.stderr));
    }
    if (response.error) throw failed(withStderr(excerpt(response.error), result.stderr));
    return { provider: provider.name, data: response.data ?? '', state: response.state ?? '' };
  } finally {
    if (file !== '') host.files.remove(file);
  }
}

export interface BusOptions extends ProviderSearch {
  readonly timeouts?: TimeoutSettings;
  readonly signal?: AbortSignal;
  readonly tell?: (line: string) => void;
}

/** Finds the plug-ins of the node. */
export function openProviderBus(host: Host, options: BusOptions): ProviderBus {
  const providers = findProviders(host, options);
  const tell = options.tell ?? (() => undefined);
  async function deliver(
    event: ProviderEvent,
    payload: unknown,
    enough: (answer: ProviderAnswer) => boolean,
  ): Promise<Published> {
    const timeout = timeoutOf(event, options.timeouts);
    const answers: ProviderAnswer[] = [];
    const failures: ProviderFailure[] = [];
    for (const provider of providers) {
      try {
        const answer = await callProvider(host, provider, event, payload, {
          timeout,
          tell,
          ...(options.signal === undefined ? {} : { signal: options.signal }),
        });
        answers.push(answer);
        if (enough(answer)) break;
      } catch (error) {
        if (options.signal?.aborted) throw error;
        const reason = reasonOf(error);
        failures.push({ provider: provider.name, reason });
        options.warn(reason);
      }
    }
    return { answers, failures };
  }
  return {
    providers,
    publish: (event, payload) => deliver(event, payload, () => false),
    async ask(event, payload) {
      const published = await deliver(event, payload, ({ data }) => data !== '');
      const answer = published.answers.find(({ data }) => data !== '');
      return answer === undefined ? published : { ...published, answer };
    },
  };
}
