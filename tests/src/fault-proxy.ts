import { createServer, type IncomingMessage, type ServerResponse, request as send } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A request on its way to the server behind the proxy, and what may be done to it and to its answer. */
export interface Passing {
  readonly method: string;
  readonly url: URL;
  /** May be changed before it is passed on. */
  readonly headers: IncomingMessage['headers'];
  /** Passes the request on and its answer back. */
  pass(options?: PassOptions): void;
  /** Answers in place of the server. */
  answer(status: number, headers?: Readonly<Record<string, string>>, body?: string): void;
}

export interface PassOptions {
  /** So many bytes of the body, and then a broken connection or silence. */
  readonly cut?: { readonly after: number; readonly how: 'break' | 'silence' };
  /** Flips a bit of the byte at this place of the body. */
  readonly flip?: number;
  /** The answer is called 200 whatever it was. */
  readonly plain?: boolean;
}

export interface FaultProxy {
  /** `127.0.0.1:port`. */
  readonly address: string;
  /** Method, path and Range of what was asked. */
  readonly log: string[];
  /** Bytes of blobs that went through. */
  blobBytes(): number;
  stop(): Promise<void>;
}

function passBody(
  answer: IncomingMessage,
  response: ServerResponse,
  { cut, flip }: PassOptions,
  count: (bytes: number) => void,
): void {
  let at = 0;
  let over = false;
  answer.on('data', (chunk: Buffer) => {
    if (over) return;
    if (flip !== undefined && flip >= at && flip < at + chunk.length) {
      chunk[flip - at] = (chunk[flip - at] ?? 0) ^ 1;
    }
    const part = cut === undefined ? chunk : chunk.subarray(0, Math.max(0, cut.after - at));
    at += chunk.length;
    count(part.length);
    if (cut === undefined || at < cut.after) {
      if (!response.write(part)) {
        answer.pause();
        response.once('drain', () => answer.resume());
      }
      return;
    }
    over = true;
    // What was written leaves before the connection breaks.
    response.write(part, () => {
      if (cut.how === 'break') response.destroy();
    });
    answer.destroy();
  });
  answer.on('end', () => {
    if (!over) response.end();
  });
  answer.on('error', () => undefined);
}

/** An HTTP proxy in front of a server on loopback, which does to each request what `fault` says. */
export async function startFaultProxy(
  target: string,
  fault: (passing: Passing) => void,
): Promise<FaultProxy> {
  const log: string[] = [];
  let blobBytes = 0;
  const server = createServer((request, response) => {
    const { method = 'GET', headers } = request;
    const url = new URL(request.url ?? '/', `http://${headers.host}`);
    log.push([method, url.pathname, headers.range].filter(Boolean).join(' '));
    fault({
      method,
      url,
      headers,
      pass(options = {}) {
        const onward = send(
          `http://${target}${url.pathname}${url.search}`,
          { method, headers: { ...headers, host: target } },
          (answer) => {
            response.writeHead(options.plain ? 200 : (answer.statusCode ?? 502), answer.headers);
            passBody(answer, response, options, (bytes) => {
              if (url.pathname.includes('/blobs/')) blobBytes += bytes;
            });
          },
        );
        onward.on('error', () => response.destroy());
        request.pipe(onward);
      },
      answer: (status, extra = {}, body = '') => void response.writeHead(status, extra).end(body),
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    log,
    blobBytes: () => blobBytes,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
