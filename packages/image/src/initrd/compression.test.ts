import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { machineHost } from '@kairos/host/machine';
import { compressArchive, compressions } from './compression.ts';

let work: string;
beforeAll(() => {
  work = mkdtempSync(join(tmpdir(), 'compression-'));
});
afterAll(() => rmSync(work, { recursive: true, force: true }));

/** Of a kind that takes a compressor its time: numbers of a generator, so that each run has the same. */
function archive(bytes: number): Uint8Array {
  let state = 1;
  return Uint8Array.from({ length: bytes }, () => {
    state = (state * 48271) % 0x7fffffff;
    return state % 23;
  });
}

describe.each([...compressions])('%s', (compression) => {
  test('the process sees a signal while it compresses, and does not wait for the end', async () => {
    const controller = new AbortController();
    const compressing = compressArchive(
      machineHost(),
      archive(4_000_000),
      compression,
      work,
      controller.signal,
    );
    setImmediate(() => controller.abort());
    await expect(compressing).rejects.toMatchObject({ exit: 'interrupted' });
  });

  test('the same bytes give the same bytes', async () => {
    const host = machineHost();
    const bytes = archive(100_000);
    const first = await compressArchive(host, bytes, compression, work, new AbortController().signal);
    expect(Buffer.compare(first, await compressArchive(host, bytes, compression, work))).toBe(0);
  });
});
