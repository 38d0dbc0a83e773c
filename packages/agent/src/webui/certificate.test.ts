import { expect, test } from 'bun:test';
import { createHash, X509Certificate } from 'node:crypto';
import { selfSigned } from './certificate.ts';

const now = new Date('2026-03-01T12:00:00Z');

test('a certificate signs itself, names the machine and is valid around now', () => {
  const { certificate, fingerprint } = selfSigned({ now, names: ['node-1', 'not a name'] });
  const parsed = new X509Certificate(certificate);
  expect(parsed.verify(parsed.publicKey)).toBe(true);
  expect(parsed.ca).toBe(false);
  expect(parsed.subjectAltName).toBe('DNS:localhost, DNS:node-1');
  expect(new Date(parsed.validFrom)).toEqual(new Date('2025-01-25T12:00:00Z'));
  expect(new Date(parsed.validTo)).toEqual(new Date('2027-04-05T12:00:00Z'));
  expect(parsed.fingerprint256).toBe(fingerprint);
  expect(createHash('sha256').update(parsed.raw).digest('hex').toUpperCase()).toBe(
    fingerprint.replaceAll(':', ''),
  );
});

test('no two are alike', () => {
  expect(selfSigned({ now, names: [] }).fingerprint).not.toBe(selfSigned({ now, names: [] }).fingerprint);
});

test('a client that knows it trusts the server that shows it', async () => {
  const { certificate, key } = selfSigned({ now: new Date(), names: [] });
  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    tls: { key, cert: certificate },
    fetch: () => new Response('hello'),
  });
  try {
    const url = `https://localhost:${server.port}`;
    expect(await (await fetch(url, { tls: { ca: certificate } })).text()).toBe('hello');
    expect(fetch(url)).rejects.toThrow();
  } finally {
    await server.stop(true);
  }
});
