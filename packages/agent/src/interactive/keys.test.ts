import { expect, test } from 'bun:test';
import { PassThrough } from 'node:stream';
import type { ReadStream } from 'node:tty';
import { Keys } from './keys.ts';

test('a letter whose bytes come one by one, as over a serial line, is one key', async () => {
  const input = new PassThrough();
  const keys = new Keys(input as unknown as ReadStream).open();
  for (const byte of Buffer.from('é€x')) {
    input.write(Buffer.from([byte]));
    await new Promise((read) => setImmediate(read));
  }
  expect([await keys.next(), await keys.next(), await keys.next()]).toEqual(['é', '€', 'x']);
  keys.close();
});
