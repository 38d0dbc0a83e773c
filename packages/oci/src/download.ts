import { closeSync, fsyncSync, openSync, statSync } from 'node:fs';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isSystemError, KairosError } from '@kairos/facts/errors';
import { formatSize } from '@kairos/facts/size';
import type { ContentSource } from './content.ts';
import type { Descriptor } from './descriptor.ts';
import { BlobCheck } from './digest.ts';
import { readFileStream, readRange, writeFully } from './file-stream.ts';

/** A source that can begin within a blob, such as a registry. */
interface ResumingSource extends ContentSource {
  blobFrom(descriptor: Descriptor, offset: number): AsyncIterable<Uint8Array>;
}

export interface DownloadOptions {
  /** Called with the bytes that are there and checked so far, those of an earlier run among them. */
  readonly onProgress?: (bytes: number, size: number) => void;
  readonly signal?: AbortSignal;
}

export interface Downloaded {
  /** Bytes that came from the source in this run: 0 where the blob was here already. */
  readonly fetched: number;
  /** Bytes that an interrupted run had left. */
  readonly resumed: number;
}

const canResume = (source: ContentSource): source is ResumingSource => 'blobFrom' in source;

/** Hashes what an earlier run left. Gives the check that continues from there. */
async function takeUp(handle: FileHandle, descriptor: Descriptor, name: string): Promise<BlobCheck> {
  const { size } = await handle.stat();
  const check = new BlobCheck(descriptor, name);
  if (size > descriptor.size) {
    await handle.truncate(0);
    return check;
  }
  for await (const chunk of readRange(handle, 0, size)) check.update(chunk);
  return check;
}

async function isThere(path: string, descriptor: Descriptor, name: string): Promise<boolean> {
  if (statSync(path, { throwIfNoEntry: false })?.size !== descriptor.size) return false;
  const check = new BlobCheck(descriptor, name);
  try {
    for await (const chunk of readFileStream(path)) check.update(chunk);
    check.finish();
    return true;
  } catch (error) {
    if (error instanceof KairosError && error.code === 'DIGEST_MISMATCH') return false;
    throw error;
  }
}

/**
 * Fetches a blob into a file. What an interrupted run left in `<path>.partial` is checked and continued; a file that
 * is there and right is not fetched again. Under `path` there is the whole, checked and synced blob or nothing new.
 * @throws KairosError `DIGEST_MISMATCH`, `NO_SPACE`, `INTERRUPTED`, and what the source throws
 */
export async function downloadBlob(
  source: ContentSource,
  descriptor: Descriptor,
  path: string,
  options: DownloadOptions = {},
): Promise<Downloaded> {
  if (await isThere(path, descriptor, source.name)) {
    options.onProgress?.(descriptor.size, descriptor.size);
    return { fetched: 0, resumed: 0 };
  }
  const partial = `${path}.partial`;
  const attempt = async (): Promise<Downloaded> => {
    const handle = await open(partial, openFlags(partial), 0o644);
    let at = 0;
    try {
      const resuming = canResume(source);
      if (!resuming) await handle.truncate(0);
      const check = await takeUp(handle, descriptor, source.name);
      const resumed = check.passed;
      const stream = resuming ? source.blobFrom(descriptor, resumed) : source.blob(descriptor);
      at = resumed;
      for await (const chunk of stream) {
        if (options.signal?.aborted) {
          throw new KairosError('INTERRUPTED', `The download of ${source.name} was interrupted`, {
            exit: 'interrupted',
          });
        }
        check.update(chunk);
        await writeFully(handle, chunk, at);
        at += chunk.length;
        options.onProgress?.(at, descriptor.size);
      }
      try {
        check.finish();
      } catch (error) {
        // What a power cut left in the partial file may be wrong although the source is right: once more, from nothing.
        if (resumed > 0 && at === descriptor.size) {
          await handle.truncate(0);
          return { fetched: at - resumed, resumed: -1 };
        }
        throw error;
      }
      await handle.truncate(at);
      await handle.sync();
      return { fetched: at - resumed, resumed };
    } catch (error) {
      if (error instanceof KairosError && error.code === 'DIGEST_MISMATCH')
        await rm(partial, { force: true });
      if (!isSystemError(error, 'ENOSPC', 'EDQUOT')) throw error;
      throw new KairosError(
        'NO_SPACE',
        `No space left for ${path}: ${formatSize(descriptor.size - at)} of ${formatSize(descriptor.size)} are missing`,
        { exit: 'noSpace', cause: error, details: { path, written: at, size: descriptor.size } },
      );
    } finally {
      await handle.close();
    }
  };
  let result = await attempt();
  if (result.resumed < 0) {
    const again = await attempt();
    result = { fetched: result.fetched + again.fetched, resumed: 0 };
  }
  await rename(partial, path);
  const directory = openSync(dirname(path), 'r');
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
  return result;
}

function openFlags(path: string): string {
  return statSync(path, { throwIfNoEntry: false }) === undefined ? 'wx+' : 'r+';
}
