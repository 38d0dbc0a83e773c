import { describe, expect, test } from 'bun:test';
import { createHash } from 'node:crypto';
import { contentHash } from './content-hash.ts';

describe.each([false, true])('on a thread: %p', (onThread) => {
  test('pieces are hashed in their order, without waiting for each other', async () => {
    const pieces = Array.from({ length: 20 }, (_, index) => {
      const piece = new Uint8Array(new SharedArrayBuffer(100_000 + index));
      return piece.fill(index);
    });
    using hash = contentHash(onThread);
    await Promise.all(pieces.map((piece) => hash.update(piece)));
    const expected = createHash('sha256');
    for (const piece of pieces) expected.update(piece);
    expect(await hash.digest()).toBe(expected.digest('hex'));
  });

  test('a view hashes what it shows only', async () => {
    using hash = contentHash(onThread);
    await hash.update(Buffer.from('xabcx').subarray(1, 4));
    expect(await hash.digest()).toBe(createHash('sha256').update('abc').digest('hex'));
  });

  test('nothing', async () => {
    using hash = contentHash(onThread);
    expect(await hash.digest()).toBe(createHash('sha256').digest('hex'));
  });
});

test('a thread that fails says so to all who wait for it, and to all who ask later', async () => {
  using hash = contentHash(true);
  await hash.digest();
  // A second digest is the only thing that the thread cannot do.
  const failed = { code: 'HASH_THREAD_FAILED', message: expect.stringContaining('Digest already called') };
  const waiting = await Promise.allSettled([hash.digest(), hash.update(Buffer.from('abc'))]);
  expect(waiting).toEqual([
    { status: 'rejected', reason: expect.objectContaining(failed) },
    { status: 'rejected', reason: expect.objectContaining(failed) },
  ]);
  await expect(hash.update(Buffer.from('abc'))).rejects.toMatchObject(failed);
});
