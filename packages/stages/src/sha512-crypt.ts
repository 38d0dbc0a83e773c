import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

/**
 * Password hashing by "Unix crypt using SHA-256 and SHA-512" (Ulrich Drepper), identifier `$6$`: every C library that
 * a node can have checks it, so it works in a root that has no program for it.
 */

/** Of the specification. A plain password stands beside its hash on the node, so more rounds would protect nothing. */
const defaultRounds = 5000;
const minimumRounds = 1000;
const maximumRounds = 999_999_999;
const saltLength = 16;
const alphabet = './0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** The bytes of the digest in the order in which the encoding takes them, three for four characters. */
function* triples(): Generator<readonly [number, number, number]> {
  let [a, b, c] = [0, 21, 42];
  for (let count = 0; count < 21; count++) {
    yield [a, b, c];
    [a, b, c] = [b + 1, c + 1, a + 1];
  }
}

function encode(digest: Uint8Array): string {
  const at = (index: number) => digest[index] ?? 0;
  let text = '';
  const add = (bits: number, characters: number) => {
    for (let left = bits, count = 0; count < characters; count++, left >>>= 6) text += alphabet[left & 63];
  };
  for (const [a, b, c] of triples()) add((at(a) << 16) | (at(b) << 8) | at(c), 4);
  add(at(63), 2);
  return text;
}

/** `length` bytes of a digest repeated. */
function repeated(digest: Buffer, length: number): Buffer {
  return Buffer.alloc(length, digest);
}

const sha512 = (...parts: Uint8Array[]): Buffer => {
  const hash = createHash('sha512');
  for (const part of parts) hash.update(part);
  return hash.digest();
};

/**
 * Hashes a password.
 * @param setting `$6$salt` or `$6$rounds=N$salt`; default: a random salt
 */
export function sha512Crypt(password: string, setting?: string): string {
  const [, given, saltText = randomSalt()] = /^\$6\$(?:rounds=(\d+)\$)?([^$]*)/.exec(setting ?? '') ?? [];
  const rounds =
    given === undefined ? defaultRounds : Math.min(maximumRounds, Math.max(minimumRounds, Number(given)));
  const key = Buffer.from(password);
  const salt = Buffer.from(saltText).subarray(0, saltLength);

  const alternate = sha512(key, salt, key);
  const parts: Buffer[] = [key, salt, repeated(alternate, key.length)];
  for (let bits = key.length; bits > 0; bits >>>= 1) parts.push(bits & 1 ? alternate : key);
  let digest = sha512(...parts);

  const keySequence = repeated(sha512(...Array.from({ length: key.length }, () => key)), key.length);
  const saltSequence = repeated(
    sha512(...Array.from({ length: 16 + (digest[0] ?? 0) }, () => salt)),
    salt.length,
  );
  for (let round = 0; round < rounds; round++) {
    const odd = (round & 1) === 1;
    const sequence: Buffer[] = [odd ? keySequence : digest];
    if (round % 3 !== 0) sequence.push(saltSequence);
    if (round % 7 !== 0) sequence.push(keySequence);
    sequence.push(odd ? digest : keySequence);
    digest = sha512(...sequence);
  }
  const prefix = given === undefined ? '$6$' : `$6$rounds=${rounds}$`;
  return `${prefix}${salt.toString()}$${encode(digest)}`;
}

function randomSalt(): string {
  let salt = '';
  for (const byte of randomBytes(saltLength)) salt += alphabet[byte & 63];
  return salt;
}

/** Whether a hash of this scheme belongs to a password. */
export function sha512CryptMatches(password: string, hash: string): boolean {
  if (!hash.startsWith('$6$')) return false;
  const own = Buffer.from(sha512Crypt(password, hash));
  const other = Buffer.from(hash);
  return own.length === other.length && timingSafeEqual(own, other);
}

/**
 * Whether a text already is a hash in the modular format of crypt(5), `$id$...`, perhaps locked by `!`. Anything else
 * is a password: the 13 characters of traditional DES cannot be told from one.
 */
export function isPasswordHash(text: string): boolean {
  return /^!{0,2}\$(?:1|2[abxy]?|5|6|7|y|gy|sha1|md5|argon2(?:id|i|d)|scrypt)[$,][\x21-\x7e]+$/.test(text);
}
