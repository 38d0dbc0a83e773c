import { afterEach, beforeEach, expect, test } from 'bun:test';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { type DirectoryHost, directoryHost } from '@kairos/host/directory';
import { machineAuthorities } from './trusted-authorities.ts';

let folder: string;
let host: DirectoryHost;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'authorities-'));
  host = directoryHost(folder);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const [one = '', two = ''] = rootCertificates;
const path = '/etc/containers/certs.d/example.org:5000/ca.crt';
const authorities = (registry = 'example.org:5000') => machineAuthorities(host, {})(registry);

test('those of the machine, and those of the registry with them', () => {
  expect(authorities()).toEqual(rootCertificates);
  host.files.write('/etc/ssl/cert.pem', one);
  host.files.write(path, `# ours\n${one}\n${two}\n`);
  expect(authorities()).toEqual([one, `# ours\n${one}\n${two}\n`]);
  expect(authorities('example.org')).toEqual([one]);
});

test('a certificate that is not PEM becomes PEM', () => {
  host.files.write(path, new X509Certificate(one).raw);
  expect(new X509Certificate(authorities().at(-1) ?? '').fingerprint).toBe(
    new X509Certificate(one).fingerprint,
  );
});

test.each(['', 'garbage', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'])(
  '%j is named as no certificate',
  (text) => {
    host.files.write(path, text);
    expect(authorities).toThrow(`${path} is not a certificate: `);
  },
);
