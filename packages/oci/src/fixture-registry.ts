import { mediaTypes } from '@kairos/facts/media-types';
import { canonicalJson } from './canonical-json.ts';
import type { CredentialStore } from './credentials.ts';
import type { Descriptor } from './descriptor.ts';
import { sha256Of } from './digest.ts';
import type { Fetch, HttpInit } from './http-client.ts';
import { parseReference } from './reference.ts';
import { openRegistry, type RegistryOptions } from './registry.ts';
import { collect, describe } from './test-content.ts';

/** The one blob of a registry for tests. */
export const content = Buffer.from(Array.from({ length: 1000 }, (_, index) => index % 251));
export const blob = describe(content);
/** Its image `a/b:v1`. */
export const manifestBytes = Buffer.from(
  canonicalJson({ schemaVersion: 2, mediaType: mediaTypes.manifest, config: describe('{}'), layers: [] }),
);

export const manifest: Descriptor = {
  mediaType: mediaTypes.manifest,
  digest: sha256Of(manifestBytes),
  size: manifestBytes.length,
};

export interface Asked {
  readonly method: string;
  readonly url: URL;
  readonly headers: Record<string, string>;
  readonly init: HttpInit;
}
/** Answers a request, or leaves it to the next. */
export type Answer = (asked: Asked) => Response | Promise<Response> | undefined;

/** A registry that answers from functions; each may leave a request to the next. */
export function registry(...answers: Answer[]) {
  const log: string[] = [];
  const fetch: Fetch = async (text, init) => {
    const url = new URL(text);
    const { range, authorization } = init.headers;
    log.push([init.method, text, range, authorization].filter(Boolean).join(' '));
    for (const answer of [...answers, plain]) {
      const response = await answer({ method: init.method, url, headers: init.headers, init });
      if (response !== undefined) return response;
    }
    return new Response('{"errors":[{"code":"NAME_UNKNOWN"}]}', { status: 404 });
  };
  return { fetch, log };
}

/** What a registry without faults says. */
const plain: Answer = ({ url, headers }) => {
  if (url.pathname === '/v2/a/b/manifests/v1' || url.pathname.endsWith(`/manifests/${manifest.digest}`)) {
    return new Response(manifestBytes, {
      headers: {
        'content-type': `${mediaTypes.manifest}; charset=utf-8`,
        'docker-content-digest': manifest.digest,
      },
    });
  }
  if (url.pathname.endsWith(`/blobs/${blob.digest}`)) {
    const from = Number(/^bytes=(\d+)-$/.exec(headers.range ?? '')?.[1] ?? 0);
    if (from === 0) return new Response(content);
    return new Response(content.subarray(from), {
      status: 206,
      headers: { 'content-range': `bytes ${from}-999/1000` },
    });
  }
  return undefined;
};

/** A body that ends with an error after some bytes, as a broken connection does; or never ends. */
export function broken(
  bytes: Uint8Array,
  how: 'error' | 'end' | 'silence',
  init: ResponseInit = {},
): Response {
  let given = false;
  return new Response(
    new ReadableStream({
      pull(controller) {
        if (!given) controller.enqueue(bytes);
        else if (how === 'error')
          controller.error(Object.assign(new Error('the socket was closed'), { code: 'ECONNRESET' }));
        else if (how === 'end') controller.close();
        else return new Promise(() => undefined);
        given = true;
        return undefined;
      },
    }),
    init,
  );
}

/** Opens a registry of these with short waits. */
export function open(
  fake: { fetch: Fetch },
  options: RegistryOptions = {},
  reference = 'example.org/a/b:v1',
) {
  return openRegistry(parseReference(reference), {
    fetch: fake.fetch,
    backoff: 0,
    attempts: 3,
    stallTimeout: 20,
    ...options,
  });
}
/** What the blob has in it, one character a byte. */
export const read = (fake: { fetch: Fetch }, options: RegistryOptions = {}) =>
  collect(open(fake, options).blob(blob));
export const blobUrl = `https://example.org/v2/a/b/blobs/${blob.digest}`;
/** The blob as {@link read} gives it. */
export const whole = content.toString('latin1');
/** Has a password for every host. */
export const credentials: CredentialStore = {
  find: async () => ({ kind: 'password', username: 'user', password: 'hunter2' }),
};
