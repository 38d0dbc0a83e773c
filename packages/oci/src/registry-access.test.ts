import { expect, describe as group, test } from 'bun:test';
import type { CredentialStore } from './credentials.ts';
import {
  type Answer,
  blob,
  blobUrl,
  broken,
  content,
  credentials,
  manifest,
  open,
  read,
  registry,
  whole,
} from './fixture-registry.ts';
import { collect, failure } from './test-content.ts';

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

  test('an identity token does not follow a redirect to another host', async () => {
    const fake = registry(({ url }) =>
      url.host === 'auth.example.org'
        ? new Response('', { status: 307, headers: { location: 'https://elsewhere.example/token' } })
        : new Response('', { status: 401, headers: { 'www-authenticate': bearer } }),
    );
    const store: CredentialStore = { find: async () => ({ kind: 'identity-token', token: 'refresh' }) };
    expect(await failure(read(fake, { credentials: store }))).toEqual([
      'REGISTRY_REDIRECT',
      'https://auth.example.org/token redirects a request that holds a secret to elsewhere.example',
    ]);
    expect(fake.log.some((line) => line.includes('elsewhere.example'))).toBe(false);
  });

  test('a token whose answer breaks off is asked for again', async () => {
    let times = 0;
    const fake = registry(
      ({ url }) =>
        url.host === 'auth.example.org' && times++ === 0 ? broken(Buffer.from('{"tok'), 'error') : undefined,
      tokens,
    );
    expect(await read(fake, { credentials })).toBe(whole);
    expect(times).toBe(2);
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
    expect(await failure(read(fake, { credentials }))).toEqual([
      'REGISTRY_UNAUTHORIZED',
      'storage.example, to which example.org redirects for a/b, refuses access (401)',
    ]);
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
