import { createHash, createPrivateKey, generateKeyPairSync, randomBytes, sign } from 'node:crypto';

/** A certificate and its key, in PEM. */
export interface Certificate {
  readonly certificate: string;
  readonly key: string;
  /** SHA-256 over the certificate, in the way in which browsers show it. */
  readonly fingerprint: string;
}

/** One value of DER (X.690): tag, length, content. */
function der(tag: number, ...content: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(content);
  if (body.length < 0x80) return Buffer.concat([Buffer.from([tag, body.length]), body]);
  const digits = body.length.toString(16);
  const length = Buffer.from(digits.length % 2 === 0 ? digits : `0${digits}`, 'hex');
  return Buffer.concat([Buffer.from([tag, 0x80 | length.length]), length, body]);
}

const sequence = (...content: readonly Uint8Array[]) => der(0x30, ...content);
const integer = (bytes: Uint8Array) => der(0x02, bytes);
const utf8 = (text: string) => der(0x0c, Buffer.from(text));
const octets = (...content: readonly Uint8Array[]) => der(0x04, ...content);

function objectId(text: string): Buffer {
  const [first = 0, second = 0, ...rest] = text.split('.').map(Number);
  const bytes = [40 * first + second];
  for (const part of rest) {
    const group = [part & 0x7f];
    for (let left = part >> 7; left > 0; left >>= 7) group.unshift((left & 0x7f) | 0x80);
    bytes.push(...group);
  }
  return der(0x06, Buffer.from(bytes));
}

/** GeneralizedTime, which RFC 5280 wants from 2050 on and readers take before. */
function time(date: Date): Buffer {
  const digits = date.toISOString().replaceAll(/[-:T]|\.\d+/g, '');
  const isShort = date.getUTCFullYear() < 2050;
  return der(isShort ? 0x17 : 0x18, Buffer.from(isShort ? digits.slice(2) : digits));
}

/** ecdsa-with-SHA256, RFC 5758. */
const signatureAlgorithm = sequence(objectId('1.2.840.10045.4.3.2'));
const day = 24 * 60 * 60 * 1000;

/**
 * Makes a certificate that signs itself (RFC 5280, P-256), for a machine that nobody has given one: it keeps
 * listeners out, and whoever compares the fingerprint with the console knows whom the browser talks to. A live system
 * may have a wrong clock, so it is valid from long before to long after.
 * @param names DNS names of the machine
 */
export function selfSigned(options: { readonly now: Date; readonly names: readonly string[] }): Certificate {
  const { publicKey, privateKey } = generateKeyPairSync('ec', {
    namedCurve: 'prime256v1',
    publicKeyEncoding: { type: 'spki', format: 'der' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  const name = sequence(der(0x31, sequence(objectId('2.5.4.3'), utf8('Kairos installer'))));
  const serial = randomBytes(16);
  // Positive, and not shortened by a leading zero.
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40;
  const names = ['localhost', ...options.names.filter((one) => /^[A-Za-z0-9.-]+$/.test(one))];
  const extension = (id: string, critical: boolean, value: Uint8Array) =>
    sequence(objectId(id), ...(critical ? [der(0x01, Buffer.from([0xff]))] : []), octets(value));
  const body = sequence(
    der(0xa0, integer(Buffer.from([2]))),
    integer(serial),
    signatureAlgorithm,
    name,
    sequence(
      time(new Date(options.now.getTime() - 400 * day)),
      time(new Date(options.now.getTime() + 400 * day)),
    ),
    name,
    publicKey as unknown as Buffer,
    der(
      0xa3,
      sequence(
        // basicConstraints: no authority; subjectAltName; extKeyUsage: server.
        extension('2.5.29.19', true, sequence()),
        extension('2.5.29.17', false, sequence(...names.map((one) => der(0x82, Buffer.from(one))))),
        extension('2.5.29.37', false, sequence(objectId('1.3.6.1.5.5.7.3.1'))),
      ),
    ),
  );
  const signature = sign('sha256', body, createPrivateKey(privateKey));
  const whole = sequence(body, signatureAlgorithm, der(0x03, Buffer.from([0]), signature));
  const base64 = whole.toString('base64').replaceAll(/(.{64})/g, '$1\n');
  return {
    certificate: `-----BEGIN CERTIFICATE-----\n${base64.trimEnd()}\n-----END CERTIFICATE-----\n`,
    key: privateKey,
    fingerprint: (createHash('sha256').update(whole).digest('hex').toUpperCase().match(/../g) ?? []).join(
      ':',
    ),
  };
}
