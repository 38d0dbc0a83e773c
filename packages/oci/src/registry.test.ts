import { expect, describe as group, test } from 'bun:test';
import { mediaTypes } from '@kairos/facts/media-types';
import {
  type Answer,
  blob,
  blobUrl,
  broken,
  content,
  manifest,
  manifestBytes,
  open,
  read,
  registry,
  whole,
} from './fixture-registry.ts';
import { nextPage } from './link-header.ts';
import { describe, failure } from './test-content.ts';

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

  test.each(['error', 'silence'] as const)('one that breaks off is asked for again (%s)', async (how) => {
    let times = 0;
    const fake = registry(({ url }) =>
      url.pathname.includes('/manifests/') && times++ < 2
        ? broken(manifestBytes.subarray(0, 50), how)
        : undefined,
    );
    expect(await open(fake).resolve()).toEqual(manifest);
    expect(fake.log.length).toBe(3);
    times = Number.NEGATIVE_INFINITY;
    expect((await failure(open(fake).resolve()))[0]).toBe(
      how === 'error' ? 'REGISTRY_UNREACHABLE' : 'REGISTRY_STALLED',
    );
    expect(fake.log.length).toBe(6);
  });

  test('are kept up to 32 MiB', async () => {
    const documents = new Map(
      [...Array(9).keys()].map((index) => {
        const bytes = Buffer.alloc(4 * 1024 * 1024, index);
        return [describe(bytes).digest, bytes];
      }),
    );
    const fake = registry(({ url }) => {
      const bytes = documents.get(url.pathname.split('/').at(-1) ?? '');
      return bytes && new Response(bytes);
    });
    const source = open(fake);
    const ask = async () => {
      for (const bytes of documents.values()) await source.document(describe(bytes));
      return fake.log.length;
    };
    expect([await ask(), await ask()]).toEqual([9, 10]);
  });

  test('one that an index names and the registry does not hold', async () => {
    const gone = { ...manifest, digest: `sha256:${'1'.repeat(64)}` };
    expect(await failure(open(registry()).document(gone))).toEqual([
      'BLOB_MISSING',
      'example.org/a/b does not hold manifest sha256:111111111111…',
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

group('referrers', () => {
  const page = (names: readonly string[], link?: string) =>
    Response.json(
      { schemaVersion: 2, mediaType: mediaTypes.index, manifests: names.map((name) => describe(name)) },
      { headers: { 'content-type': mediaTypes.index, ...(link === undefined ? {} : { link }) } },
    );
  const place = `/v2/a/b/referrers/${manifest.digest}`;
  test('over several pages, in a circle, and without end', async () => {
    const fake = registry(({ url }) =>
      url.search === ''
        ? page(['x'], `<${place}?last=1>; rel="next"`)
        : page(['y'], `<${place}>; rel="next"`),
    );
    const digests = (await open(fake).referrers(manifest.digest)).map(({ digest }) => digest);
    expect(digests).toEqual(['x', 'y'].map((name) => describe(name).digest));
    let last = 0;
    const endless = registry(() => page([], `<${place}?last=${++last}>; rel="next"`));
    expect(await open(endless).referrers(manifest.digest)).toEqual([]);
    expect(last).toBe(50);
  });
  test('a registry that does not know the question is asked for a tag', async () => {
    const fake = registry();
    expect(await open(fake).referrers(manifest.digest)).toEqual([]);
    expect(fake.log.at(-1)).toBe(
      `GET https://example.org/v2/a/b/manifests/${manifest.digest.replace(':', '-')}`,
    );
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
  test('pages without end, end', async () => {
    let page = 0;
    const fake = registry(() =>
      Response.json(
        { tags: ['a', 'x'.repeat(129), '\u001b[2J'] },
        { headers: { link: `</v2/a/b/tags/list?last=${page++}>; rel=next` } },
      ),
    );
    expect(await open(fake).tags()).toEqual(['a']);
    expect(page).toBe(2000);
  });
  test('a page that breaks off is asked for again', async () => {
    let times = 0;
    const fake = registry(() =>
      times++ === 0 ? broken(Buffer.from('{"tags":['), 'error') : Response.json({ tags: ['a'] }),
    );
    expect(await open(fake).tags()).toEqual(['a']);
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
