import { expect, test } from 'bun:test';
import { HttpClient } from './http-client.ts';

/** A client of a server whose answer never ends. */
function client(chunks: readonly Uint8Array[], stallTimeout = 60_000) {
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk);
    },
  });
  return new HttpClient({ fetch: async () => new Response(body), stallTimeout });
}
const chunks = () => [new Uint8Array(3), new Uint8Array(4), new Uint8Array(8).subarray(2)];

test.each([
  [true, [0, 0, 6]],
  [false, [3, 4, 6]],
])('chunks are given back when the next is asked for: %p', async (release, left) => {
  const response = await client(chunks()).send('http://example.org/');
  const seen: Uint8Array[] = [];
  const lengths: number[] = [];
  for await (const chunk of response.body(release)) {
    seen.push(chunk);
    lengths.push(chunk.length);
    if (seen.length === 3) break;
  }
  expect(lengths).toEqual([3, 4, 6]);
  expect(seen.map(({ length }) => length)).toEqual(left);
});

test('a body that goes silent', async () => {
  const response = await client(chunks(), 20).send('http://example.org/');
  const read = async () => {
    for await (const _ of response.body());
  };
  await expect(read()).rejects.toMatchObject({
    code: 'REGISTRY_STALLED',
    message: 'http://example.org/ sends nothing for 0.02 s',
  });
});

test('a client that is closed lets its bodies go', async () => {
  const closed = client(chunks());
  const body = (await closed.send('http://example.org/')).body();
  for (const _ of chunks()) await body.next();
  const next = body.next();
  closed.close();
  await expect(next).rejects.toMatchObject({ code: 'INTERRUPTED' });
});

test.each<[string, string, string, string]>([
  [
    'Malformed_HTTP_Response',
    'Malformed_HTTP_Response fetching "http://example.org/x?signature=secret". For more information, pass `verbose: true` in the second argument to fetch()',
    'Malformed_HTTP_Response fetching it',
    'Check the name',
  ],
  [
    'ECONNRESET',
    'ECONNRESET: The socket connection was closed unexpectedly. For more information, pass `verbose: true` in the second argument to fetch()',
    'ECONNRESET: The socket connection was closed unexpectedly',
    'Check the name',
  ],
  [
    'EPROTO',
    'EPROTO: The TLS handshake failed. Does the server speak TLS on this port?',
    'EPROTO: The TLS handshake failed. Does the server speak TLS on this port?',
    'If it speaks http only, allow the registry as insecure',
  ],
])('%s as it is told', async (code, said, told, hint) => {
  const fetch = () => Promise.reject(Object.assign(new Error(said), { code }));
  await expect(
    new HttpClient({ fetch, attempts: 1 }).send('https://example.org/x?signature=secret'),
  ).rejects.toMatchObject({
    code: 'REGISTRY_UNREACHABLE',
    message: `example.org cannot be reached or broke off: ${told}`,
    hint: expect.stringContaining(hint),
  });
});

test('a client that is closed waits for no further attempt', async () => {
  const asked = Promise.withResolvers<void>();
  const busy = async () => {
    // The pause begins when this answer was read.
    setTimeout(asked.resolve, 0);
    return new Response('', { status: 429, headers: { 'retry-after': '60' } });
  };
  const closed = new HttpClient({ fetch: busy });
  const sent = closed.send('http://example.org/');
  await asked.promise;
  closed.close();
  await expect(sent).rejects.toMatchObject({ code: 'INTERRUPTED' });
});

test('too many requests: the hint', async () => {
  const fetch = async () => new Response('', { status: 429 });
  await expect(new HttpClient({ fetch, attempts: 1 }).send('http://example.org/')).rejects.toMatchObject({
    code: 'REGISTRY_BUSY',
    hint: expect.stringContaining('log in'),
  });
});
