import { request } from 'node:http';
import { KairosError } from '@kairos/facts/errors';
import { MiB } from '@kairos/facts/size';
import type { StageServices } from '../context.ts';
import { fetchContent } from '../fetch-content.ts';

/** User data of any provider is smaller by far. */
const maximumSize = 16 * MiB;
/** Milliseconds for a request to a service that is known to be there. */
const patience = 10_000;

export interface RequestOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly method?: 'GET' | 'PUT';
  /** Send from a port below 1024, as proof of being root. */
  readonly privilegedPort?: boolean;
}

/**
 * Requests to one metadata service. Until it has answered once, it may take no longer than the deadline of the race;
 * from then on it is known to be there, and gets the time that a service under load needs.
 */
export class MetadataSession {
  private identified = false;

  constructor(
    private readonly services: Pick<StageServices, 'fetch' | 'delay'>,
    private readonly address: string,
    /** Milliseconds on the clock of `performance.now`. */
    private readonly deadline: number,
    private readonly signal: AbortSignal,
  ) {}

  /**
   * The body at a path, `undefined` where there is none (any status of the 400s).
   * @throws KairosError if the service does not answer
   */
  async get(path: string, options: RequestOptions = {}): Promise<Uint8Array | undefined> {
    const left = Math.max(1, this.deadline - performance.now());
    const url = this.address + path;
    const limits = {
      size: maximumSize,
      time: this.identified ? patience : left,
      attempts: this.identified ? 3 : 1,
      pause: 300,
      signal: this.signal,
      ...(options.headers === undefined ? {} : { headers: options.headers }),
      ...(options.method === undefined ? {} : { method: options.method }),
    };
    const services = options.privilegedPort
      ? { ...this.services, fetch: (target: string) => fromPrivilegedPort(target, limits.time, this.signal) }
      : this.services;
    try {
      const bytes = await fetchContent(services, url, limits);
      this.identified = true;
      return bytes;
    } catch (error) {
      if (
        error instanceof KairosError &&
        error.code === 'HTTP_STATUS' &&
        / answered 4\d\d/.test(error.message)
      ) {
        return undefined;
      }
      throw error;
    }
  }
}

/** One attempt a port; what a service that wants such a port answers to is small. */
async function fromPrivilegedPort(url: string, time: number, signal: AbortSignal): Promise<Response> {
  let last: unknown;
  for (let port = 1023; port > 1013; port--) {
    try {
      return await new Promise<Response>((resolve, reject) => {
        const outgoing = request(url, { localPort: port, signal, timeout: time }, (incoming) => {
          const pieces: Buffer[] = [];
          incoming.on('data', (piece: Buffer) => pieces.push(piece));
          incoming.on('error', reject);
          incoming.on('end', () =>
            resolve(new Response(Buffer.concat(pieces), { status: incoming.statusCode ?? 500 })),
          );
        });
        outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer within ${time} ms`)));
        outgoing.on('error', reject);
        outgoing.end();
      });
    } catch (error) {
      last = error;
      if (signal.aborted) break;
    }
  }
  throw last;
}
