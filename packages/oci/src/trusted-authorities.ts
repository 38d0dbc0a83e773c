import { X509Certificate } from 'node:crypto';
import { rootCertificates } from 'node:tls';
import { KairosError, reasonOf } from '@kairos/facts/errors';
import type { Host } from '@kairos/host/host';

/** Where distributions keep the certificates that they trust, as one file. */
const bundles = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
];
/** Where Docker and Podman keep certificates for one registry: a directory named `host:port` (containers-certs.d(5)). */
const directories = ['/etc/containers/certs.d', '/etc/docker/certs.d'];

/** A file of certificates as PEM: what is none would make every connection fail, without a word of why. */
function readCertificates(host: Host, path: string): string {
  const bytes = host.files.readBytes(path);
  try {
    const first = new X509Certificate(bytes);
    const text = Buffer.from(bytes).toString('utf8');
    return text.includes('-----BEGIN') ? text : first.toString();
  } catch (error) {
    throw new KairosError('CERTIFICATE_INVALID', `${path} is not a certificate: ${reasonOf(error)}`, {
      exit: 'invalidInput',
      hint: 'It has to be a certificate authority in PEM; remove it if it is of no use',
    });
  }
}

/**
 * Certificate authorities for a registry in PEM: those that the machine trusts, or Bun's own where it has none, and
 * those that it keeps for this registry.
 * @throws KairosError `CERTIFICATE_INVALID`, when it is asked for a registry
 */
export function machineAuthorities(
  host: Host,
  env: Readonly<Record<string, string | undefined>> = process.env,
): (registry: string) => readonly string[] {
  let general: readonly string[] | undefined;
  return (registry) => {
    if (general === undefined) {
      const places = env.SSL_CERT_FILE ? [env.SSL_CERT_FILE, ...bundles] : bundles;
      const bundle = places
        .map((path) => host.files.readTextIfAny(path))
        .find((text) => text?.includes('BEGIN'));
      general = bundle === undefined ? rootCertificates : [bundle];
    }
    // A host name has no slash; what had one would name another directory.
    if (registry.includes('/') || registry.startsWith('.')) return general;
    const own = directories.flatMap((directory) =>
      host.files
        .list(`${directory}/${registry}`)
        .filter((name) => name.endsWith('.crt'))
        .map((name) => readCertificates(host, `${directory}/${registry}/${name}`)),
    );
    return own.length === 0 ? general : [...general, ...own];
  };
}
