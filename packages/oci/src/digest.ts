import { createHash, type Hash } from 'node:crypto';
import { KairosError } from '@kairos/facts/errors';
import { formatSize } from '@kairos/facts/size';
import type { Descriptor } from './descriptor.ts';

/** Hexadecimal digits of the digests that the image-spec registers (descriptor.md, "Registered algorithms"). */
const hexLengths = { sha256: 64, sha512: 128 } as const;
export type DigestAlgorithm = keyof typeof hexLengths;

export interface Digest {
  readonly algorithm: DigestAlgorithm;
  readonly hex: string;
}

/** True for `sha256:` or `sha512:` with the right number of lower-case hexadecimal digits. */
export function isDigest(text: string): boolean {
  return /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/.test(text);
}

/**
 * Splits a digest. What passes is safe as a file name.
 * @throws KairosError `DIGEST_INVALID`
 */
export function parseDigest(text: string): Digest {
  if (!isDigest(text)) {
    throw new KairosError('DIGEST_INVALID', `Not a digest: ${JSON.stringify(text.slice(0, 150))}`, {
      exit: 'corruptSource',
      hint: 'A digest is sha256: and 64 hexadecimal digits, or sha512: and 128.',
    });
  }
  const [algorithm, hex] = text.split(':') as [DigestAlgorithm, string];
  return { algorithm, hex };
}

export function sha256Of(bytes: Uint8Array | string): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

export function hasherFor(digest: string): Hash {
  return createHash(parseDigest(digest).algorithm);
}

/** `sha256:0123456789ab…`: as much of a digest as tells blobs apart in a message. */
export function shortDigest(digest: string): string {
  const [algorithm, hex = ''] = digest.split(':');
  return hex.length > 12 ? `${algorithm}:${hex.slice(0, 12)}…` : digest;
}

/**
 * Checks a blob while its bytes pass, in whatever pieces they come.
 * One instance serves one blob, also across interrupted transfers: it is the state that a resumed download continues.
 */
export class BlobCheck {
  /** Bytes that passed. */
  passed = 0;
  private readonly hash: Hash;

  /** @param from Names where the blob comes from, for messages. */
  constructor(
    private readonly descriptor: Descriptor,
    private readonly from: string,
  ) {
    this.hash = hasherFor(descriptor.digest);
  }

  /** @throws KairosError `DIGEST_MISMATCH` when there are more bytes than the descriptor says */
  update(bytes: Uint8Array): void {
    this.passed += bytes.length;
    if (this.passed > this.descriptor.size) {
      throw new KairosError(
        'DIGEST_MISMATCH',
        `Blob ${shortDigest(this.descriptor.digest)} of ${this.from} is longer than the ${this.descriptor.size} bytes of its descriptor`,
        { exit: 'corruptSource', details: { digest: this.descriptor.digest, size: this.descriptor.size } },
      );
    }
    this.hash.update(bytes);
  }

  /** @throws KairosError `BLOB_TRUNCATED`, `DIGEST_MISMATCH` */
  finish(): void {
    const { digest, size } = this.descriptor;
    if (this.passed < size) {
      throw new KairosError(
        'BLOB_TRUNCATED',
        `Blob ${shortDigest(digest)} of ${this.from} ends after ${this.passed} of ${size} bytes (${formatSize(size - this.passed)} missing)`,
        { exit: 'corruptSource', details: { digest, size, received: this.passed } },
      );
    }
    const found = `${parseDigest(digest).algorithm}:${this.hash.digest('hex')}`;
    if (found !== digest) {
      throw new KairosError(
        'DIGEST_MISMATCH',
        `Blob ${shortDigest(digest)} of ${this.from} has the digest ${found}`,
        {
          exit: 'corruptSource',
          hint: 'The source is damaged or was tampered with; fetch it again or from elsewhere.',
          details: { expected: digest, found },
        },
      );
    }
  }
}

/**
 * Passes a blob on while checking size and digest. The last chunk is given only when the whole is right, so whoever
 * has read to the end has a verified blob.
 * @throws KairosError `DIGEST_MISMATCH`, `BLOB_TRUNCATED`
 */
export async function* verified(
  stream: AsyncIterable<Uint8Array>,
  descriptor: Descriptor,
  from: string,
): AsyncGenerator<Uint8Array> {
  const check = new BlobCheck(descriptor, from);
  let finished = false;
  for await (const chunk of stream) {
    if (chunk.length === 0) continue;
    check.update(chunk);
    if (check.passed === descriptor.size) {
      check.finish();
      finished = true;
    }
    yield chunk;
  }
  if (!finished) check.finish();
}

/**
 * Passes a stream of unknown length on and checks its digest at the end.
 * @param what Names the stream in messages.
 * @throws KairosError `DIGEST_MISMATCH` after the last chunk
 */
export async function* withDigest(
  stream: AsyncIterable<Uint8Array>,
  digest: string,
  what: string,
): AsyncGenerator<Uint8Array> {
  const hash = hasherFor(digest);
  for await (const chunk of stream) {
    hash.update(chunk);
    yield chunk;
  }
  const found = `${parseDigest(digest).algorithm}:${hash.digest('hex')}`;
  if (found !== digest) {
    throw new KairosError('DIGEST_MISMATCH', `${what} has the digest ${found} instead of ${digest}`, {
      exit: 'corruptSource',
      details: { expected: digest, found },
    });
  }
}

/**
 * A small blob whole.
 * @throws KairosError `BLOB_TOO_LARGE` beyond `limit` bytes, and what the stream throws
 */
export async function readWhole(
  stream: AsyncIterable<Uint8Array>,
  limit: number,
  what: string,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let total = 0;
  for await (const chunk of stream) {
    total += chunk.length;
    if (total > limit) {
      throw new KairosError('BLOB_TOO_LARGE', `${what} is larger than ${formatSize(limit)}`, {
        exit: 'corruptSource',
      });
    }
    chunks.push(chunk);
  }
  const [only] = chunks;
  return chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks);
}
