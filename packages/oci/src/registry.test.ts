import { expect, describe as group, test } from 'bun:test';
import { mediaTypes } from '@kairos/facts/media-types';
import { canonicalJson } from './canonical-json.ts';
import type { CredentialStore } from './credentials.ts';
import type { Descriptor } from './descriptor.ts';
import { sha256Of } from './digest.ts';
import type { Fetch, HttpInit } from './http-client.ts';
import { parseReference } from './reference.ts';
import { nextPage, openRegistry, type RegistryOptions } from './registry.ts';
import { collect, describe, failure } from './test-content.ts';

const content = Buffer.from(Array.from({ length: 1000 }, (_, index) => index % 251));
const blob = describe(content);
const manifestBytes = Buffer.from(
  canonicalJson({ schemaVersion: 2, mediaType: mediaTypes.manifest, config: describe('{}'), layers: [] }),
);
const manifest: Descriptor = {
  mediaType: mediaTypes.manifest,
  digest: sha256Of(manifestBytes),
  size: manifestBytes.length,
};

interface Asked {
  readonly method: string;
  readonly url: URL;
  readonly headers: Record<string, string>;
  readonly init: HttpInit;
}
type Answer = (asked: Asked) => Response | Promise<Response> | undefined;

/** A registry that answers from functions; each may leave a request to the next. */
function registry(...answers: Answer[]) {
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
function broken(bytes: Uint8Array, how: 'error' | 'end' | 'silence', init: ResponseInit = {}): Response {
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

function open(fake: { fetch: Fetch }, options: RegistryOptions = {}, reference = 'example.org/a/b:v1') {
  return openRegistry(parseReference(reference), {
    fetch: fake.fetch,
    backoff: 0,
    attempts: 3,
    stallTimeout: 20,
    ...options,
  });
}
const read = (fake: { fetch: Fetch }, options: RegistryOptions = {}) =>
  collect(open(fake, options).blob(blob));
const blobUrl = `https://example.org/v2/a/b/blobs/${blob.digest}`;
const whole = content.toString('latin1');
const credentials: CredentialStore = {
  find: async () => ({ kind: 'password', username: 'user', password: 'hunter2' }),
};

group('manifests', () => {
  test('by tag, kept for later', async () => {
    const fake = registry();
    const source = open(fake);
    expect(await source.roots()).toEqual([manifest]);
    expect(await source.resolve()).toEqual(manifest);
    expect(await source.document(manifest)).toEqual(new Uint8Array(manifestBytes));
    expect(fake.log).toEqual(['GET https://example.org/v2/a/b/manifests/v1']);
  });

  test('by digest, which is checked', async () => {
    const source = open(registry(), {}, `example.org/a/b@${manifest.digest}`);
    expect(await source.roots()).toEqual([manifest]);
    const lying = registry(({ url }) =>
      url.pathname.includes('/manifests/') ? new Response('{"schemaVersion":2}') : undefined,
    );
    expect((await failure(open(lying, {}, `example.org/a/b@${manifest.digest}`).resolve()))[0]).toBe(
      'DIGEST_MISMATCH',
    );
    expect((await failure(open(lying).document(manifest)))[0]).toBe('BLOB_TRUNCATED');
  });

  test('a digest that the registry states wrongly', async () => {
    const fake = registry(
      () => new Response(manifestBytes, { headers: { 'docker-content-digest': `sha256:${'0'.repeat(64)}` } }),
    );
    expect((await failure(open(fake).resolve()))[0]).toBe('DIGEST_MISMATCH');
  });

  test('docker.io is asked at its own place', async () => {
    const fake = registry();
    await failure(open(fake, {}, 'debian:13').resolve());
    expect(fake.log).toEqual(['GET https://registry-1.docker.io/v2/library/debian/manifests/13']);
  });

  test.each<[number, string, string, string]>([
    [404, '', 'IMAGE_NOT_FOUND', 'There is no example.org/a/b:v1'],
    [
      403,
      '{"errors":[{"code":"DENIED","message":"requested access is denied"}]}',
      'REGISTRY_UNAUTHORIZED',
      'example.org refuses access to a/b (403): requested access is denied',
    ],
    [401, '', 'REGISTRY_UNAUTHORIZED', 'example.org refuses access to a/b (401)'],
    [
      418,
      '{"errors":[{"code":"TEAPOT"}]}',
      'REGISTRY_ERROR',
      'https://example.org/v2/a/b/manifests/v1 answers 418 to a request for a manifest: TEAPOT',
    ],
    [503, '', 'REGISTRY_BUSY', 'https://example.org/v2/a/b/manifests/v1 answers 503'],
  ])('an answer of %d', async (status, body, code, message) => {
    expect(await failure(open(registry(() => new Response(body, { status }))).resolve())).toEqual([
      code,
      message,
    ]);
  });

  test('an endless manifest', async () => {
    const fake = registry(
      () =>
        new Response(
          new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(1 << 20)) }),
        ),
    );
    expect((await failure(open(fake).resolve()))[0]).toBe('BLOB_TOO_LARGE');
  });
});

group('blobs', () => {
  test.each(['error', 'end', 'silence'] as const)(
    'are taken up where a connection broke (%s)',
    async (how) => {
      let times = 0;
      const fake = registry(({ url }) =>
        url.pathname.includes('/blobs/') && times++ === 0 ? broken(content.subarray(0, 300), how) : undefined,
      );
      expect(await read(fake)).toBe(whole);
      expect(fake.log).toEqual([`GET ${blobUrl}`, `GET ${blobUrl} bytes=300-`]);
    },
  );

  test('are read over where the server knows no Range', async () => {
    let times = 0;
    const fake = registry(() =>
      times++ < 4 ? broken(content.subarray(0, 200 * times), 'error') : new Response(content),
    );
    expect(await read(fake)).toBe(whole);
    expect(fake.log.length).toBe(5);
  });

  test.each([
    [
      'error',
      'REGISTRY_UNREACHABLE',
      'example.org cannot be reached or broke off: the socket was closed (ECONNRESET)',
    ],
    [
      'end',
      'BLOB_TRUNCATED',
      `Blob ${blob.digest.slice(0, 19)}… of example.org/a/b:v1 ends after 300 of 1000 bytes`,
    ],
    ['silence', 'REGISTRY_STALLED', `${blobUrl} sends nothing for 0.02 s`],
  ] as const)('are given up when nothing new comes any more (%s)', async (how, code, message) => {
    let times = 0;
    const fake = registry(() =>
      broken(
        times++ === 0 ? content.subarray(0, 300) : new Uint8Array(),
        how,
        times === 1 ? {} : { status: 206, headers: { 'content-range': 'bytes 300-999/1000' } },
      ),
    );
    expect(await failure(read(fake))).toEqual([code, message]);
    expect(times).toBe(3);
  });

  test.each<[string, Answer, string]>([
    ['with other content', () => new Response(Buffer.alloc(1000)), 'DIGEST_MISMATCH'],
    ['that are longer', () => new Response(Buffer.concat([content, content])), 'DIGEST_MISMATCH'],
    ['that are not there', () => new Response('', { status: 404 }), 'BLOB_MISSING'],
  ])('%s', async (_, answer, code) => {
    const fake = registry(answer);
    expect((await failure(read(fake)))[0]).toBe(code);
    expect(fake.log.length).toBe(1);
  });

  test('a piece from another place than asked is refused', async () => {
    let times = 0;
    const fake = registry(() =>
      times++ === 0
        ? broken(content.subarray(0, 300), 'error')
        : new Response(content.subarray(200), {
            status: 206,
            headers: { 'content-range': 'bytes 200-999/1000' },
          }),
    );
    expect((await failure(read(fake)))[0]).toBe('REGISTRY_ERROR');
  });

  test('an answer of 429 is waited for', async () => {
    let times = 0;
    const fake = registry(() =>
      times++ < 2 ? new Response('', { status: 429, headers: { 'retry-after': '0' } }) : undefined,
    );
    expect(await read(fake)).toBe(whole);
    expect(times).toBe(3);
  });

  test('a signal ends a transfer', async () => {
    const controller = new AbortController();
    const fake = registry(() => {
      controller.abort();
      return broken(content.subarray(0, 10), 'silence');
    });
    expect((await failure(read(fake, { signal: controller.signal, stallTimeout: 60_000 })))[0]).toBe(
      'INTERRUPTED',
    );
  });

  test('a certificate that nobody vouches for is told at once', async () => {
    let times = 0;
    const fake = registry(() => {
      times++;
      throw Object.assign(new Error('self signed certificate'), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
    });
    expect(await failure(read(fake))).toEqual([
      'REGISTRY_CERTIFICATE',
      'The certificate of example.org is not trusted: self signed certificate',
    ]);
    expect(times).toBe(1);
  });

  test('authorities are given for the host', async () => {
    const fake = registry(({ init }) =>
      init.tls?.ca?.join() === 'ca of example.org' ? undefined : new Response('', { status: 400 }),
    );
    expect(await read(fake, { certificateAuthorities: (host) => [`ca of ${host}`] })).toBe(whole);
  });
});

group('authorization', () => {
  const bearer = 'Bearer realm="https://auth.example.org/token?x=1",service="example"';
  const tokens: Answer = ({ url, headers }) => {
    if (url.host === 'auth.example.org') {
      if (headers.authorization !== 'Basic dXNlcjpodW50ZXIy') return new Response('', { status: 401 });
      return Response.json({ token: 'granted', expires_in: 300 });
    }
    if (headers.authorization === 'Bearer granted') return undefined;
    return new Response('', { status: 401, headers: { 'www-authenticate': bearer } });
  };

  test('a token is asked for once, with the credentials', async () => {
    const fake = registry(tokens);
    const source = open(fake, { credentials });
    await source.resolve();
    expect(await collect(source.blob(blob))).toBe(whole);
    expect(fake.log).toEqual([
      'GET https://example.org/v2/a/b/manifests/v1',
      'GET https://auth.example.org/token?x=1&service=example&scope=repository%3Aa%2Fb%3Apull Basic dXNlcjpodW50ZXIy',
      'GET https://example.org/v2/a/b/manifests/v1 Bearer granted',
      `GET ${blobUrl} Bearer granted`,
    ]);
  });

  test('a token that ends during a transfer is renewed', async () => {
    let valid = 'first';
    let transfers = 0;
    const fake = registry(({ url, headers }) => {
      if (url.host === 'auth.example.org') return Response.json({ access_token: valid });
      if (headers.authorization !== `Bearer ${valid}`)
        return new Response('', { status: 401, headers: { 'www-authenticate': bearer } });
      if (transfers++ > 0) return undefined;
      valid = 'second';
      return broken(content.subarray(0, 500), 'error');
    });
    expect(await read(fake, { credentials })).toBe(whole);
  });

  test('an identity token is exchanged', async () => {
    let form = '';
    const fake = registry(({ url, method, headers, init }) => {
      if (url.host === 'auth.example.org') {
        form = `${method} ${Buffer.from(init.body ?? []).toString()}`;
        return Response.json({ access_token: 'granted' });
      }
      return headers.authorization === 'Bearer granted'
        ? undefined
        : new Response('', { status: 401, headers: { 'www-authenticate': bearer } });
    });
    expect(
      await read(fake, { credentials: { find: async () => ({ kind: 'identity-token', token: 'refresh' }) } }),
    ).toBe(whole);
    expect(form).toBe(
      'POST grant_type=refresh_token&client_id=kairos&scope=repository%3Aa%2Fb%3Apull&refresh_token=refresh&service=example',
    );
  });

  test('basic credentials', async () => {
    const fake = registry(({ headers }) =>
      headers.authorization === 'Basic dXNlcjpodW50ZXIy'
        ? undefined
        : new Response('', { status: 401, headers: { 'www-authenticate': 'Basic realm="x"' } }),
    );
    expect(await read(fake, { credentials })).toBe(whole);
  });

  test('credentials that are refused: told, not shown', async () => {
    const fake = registry(({ url }) =>
      url.host === 'auth.example.org'
        ? new Response('', { status: 401 })
        : new Response('', { status: 401, headers: { 'www-authenticate': bearer } }),
    );
    const [code, message] = await failure(read(fake, { credentials }));
    expect([code, message, message.includes('hunter2')]).toEqual([
      'REGISTRY_UNAUTHORIZED',
      'example.org refuses access to a/b (401)',
      false,
    ]);
  });

  test.each(['http://auth.example.org/token', 'file:///etc/passwd', 'nonsense', ''])(
    'a token server at %j is refused',
    async (realm) => {
      const fake = registry(
        () => new Response('', { status: 401, headers: { 'www-authenticate': `Bearer realm="${realm}"` } }),
      );
      expect(await failure(read(fake, { credentials }))).toEqual([
        'REGISTRY_TOKEN',
        'example.org names no valid token server',
      ]);
      expect(fake.log.length).toBe(1);
    },
  );

  test('does not follow a redirect to another host', async () => {
    const storage: Answer = ({ url }) =>
      url.host === 'storage.example' ? new Response(content.subarray(0, 10)) : undefined;
    const redirect: Answer = ({ url }) =>
      url.host === 'example.org'
        ? new Response('', {
            status: 307,
            headers: { location: 'https://storage.example/x?signature=hunter2' },
          })
        : undefined;
    const fake = registry(storage, tokens, redirect);
    const [code, message] = await failure(read(fake, { credentials }));
    expect([code, message.includes('hunter2')]).toEqual(['BLOB_TRUNCATED', false]);
    expect(fake.log.filter((line) => line.includes('storage.example'))).toEqual([
      'GET https://storage.example/x?signature=hunter2',
      'GET https://storage.example/x?signature=hunter2 bytes=10-',
      'GET https://storage.example/x?signature=hunter2 bytes=10-',
    ]);
    expect(fake.log).toContain(`GET ${blobUrl} Bearer granted`);
  });

  test('a refusal behind a redirect asks for nothing more', async () => {
    const fake = registry(({ url }) =>
      url.host === 'example.org'
        ? new Response('', { status: 307, headers: { location: 'https://storage.example/x' } })
        : new Response('', { status: 401, headers: { 'www-authenticate': 'Basic realm="give me"' } }),
    );
    expect((await failure(read(fake, { credentials })))[0]).toBe('REGISTRY_UNAUTHORIZED');
    expect(fake.log.some((line) => line.includes('Basic'))).toBe(false);
  });
});

group('redirects', () => {
  const to =
    (location: string): Answer =>
    ({ url }) =>
      url.pathname.includes('/blobs/') ? new Response('', { status: 302, headers: { location } }) : undefined;
  test.each([
    ['http://storage.example/x', `${blobUrl} redirects from https to http (storage.example)`],
    ['ftp://storage.example/x', `${blobUrl} redirects to no valid URL`],
    [blobUrl, `${blobUrl} redirects more than 10 times`],
  ])('to %s', async (location, message) => {
    expect(await failure(read(registry(to(location))))).toEqual(['REGISTRY_REDIRECT', message]);
  });
});

group('insecure registries', () => {
  const onlyHttp: Answer = ({ url }) => {
    if (url.protocol === 'https:') throw Object.assign(new Error('no TLS'), { code: 'EPROTO' });
    return undefined;
  };
  test('are asked by http where https is not spoken', async () => {
    const fake = registry(onlyHttp);
    expect(await read(fake, { insecure: ['example.org'] })).toBe(whole);
    expect(fake.log).toEqual(['GET https://example.org/v2/', `GET ${blobUrl.replace('https', 'http')}`]);
  });
  test('have to be allowed', async () => {
    expect((await failure(read(registry(onlyHttp), { insecure: ['other.org'] })))[0]).toBe(
      'REGISTRY_UNREACHABLE',
    );
  });
  test('on this machine need no leave', async () => {
    const fake = registry(onlyHttp);
    expect((await open(fake, {}, '127.0.0.1:5000/a/b:v1').resolve()).digest).toBe(manifest.digest);
  });
  test('may have a certificate that nobody vouches for', async () => {
    const fake = registry(({ init }) => {
      if (init.tls?.rejectUnauthorized !== false)
        throw Object.assign(new Error('self signed'), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
      return undefined;
    });
    expect(await read(fake, { insecure: true })).toBe(whole);
  });
});

group('mirrors', () => {
  const mirrors = { 'example.org': ['mirror.org:5000/cache'] };
  test('are asked first', async () => {
    const fake = registry();
    expect(await read(fake, { mirrors })).toBe(whole);
    expect(fake.log).toEqual([`GET https://mirror.org:5000/v2/cache/a/b/blobs/${blob.digest}`]);
  });
  test.each<[string, () => Response]>([
    ['is missing it', () => new Response('', { status: 404 })],
    ['is broken', () => new Response('', { status: 500 })],
    ['breaks off', () => broken(content.subarray(0, 400), 'error')],
    ['wants credentials', () => new Response('', { status: 401 })],
  ])('that %s leaves the rest to the registry', async (_, answer) => {
    const fake = registry(({ url }) => (url.host === 'mirror.org:5000' ? answer() : undefined));
    expect(await read(fake, { mirrors })).toBe(whole);
  });
  test('that all fail: the registry says why', async () => {
    const fake = registry(({ url }) => new Response('', { status: url.host === 'example.org' ? 404 : 418 }));
    expect((await failure(open(fake, { mirrors }).resolve()))[0]).toBe('IMAGE_NOT_FOUND');
  });
});

group('tags', () => {
  test('over several pages', async () => {
    const fake = registry(({ url }) => {
      const last = url.searchParams.get('last');
      if (last === null)
        return Response.json(
          { tags: ['a', 'b'] },
          { headers: { link: '</v2/a/b/tags/list?last=b&n=2>; rel="next"' } },
        );
      return Response.json({ tags: ['b', 'c'] });
    });
    expect(await open(fake).tags()).toEqual(['a', 'b', 'c']);
    expect(fake.log).toEqual([
      'GET https://example.org/v2/a/b/tags/list?n=1000',
      'GET https://example.org/v2/a/b/tags/list?last=b&n=2',
    ]);
  });
  test('pages that lead in a circle end', async () => {
    const fake = registry(() =>
      Response.json({ tags: null }, { headers: { link: '</v2/a/b/tags/list?n=1000>; rel=next' } }),
    );
    expect(await open(fake).tags()).toEqual([]);
  });
  test('a next page elsewhere is not asked for', () => {
    expect(nextPage('<https://evil.org/x>; rel="next"', 'https://example.org/y')).toBeUndefined();
    expect(nextPage('<x>; rel="prev", <z>; rel="next"', 'https://example.org/y')).toBe(
      'https://example.org/z',
    );
    expect(nextPage(null, 'https://example.org/y')).toBeUndefined();
  });
  test('of no repository', async () => {
    expect(await failure(open(registry()).tags())).toEqual([
      'IMAGE_NOT_FOUND',
      'There is no repository example.org/a/b',
    ]);
  });
});
