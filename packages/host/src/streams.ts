import { createHash } from 'node:crypto';
import {
  closeSync,
  fchmodSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { isSystemError, KairosError } from '@kairos/facts/errors';
import { formatSize } from '@kairos/facts/size';
import { makeBeside, syncPath } from './files.ts';
import type { HostFiles } from './host.ts';
import { dropCacheCall } from './system-calls.ts';

/** Bytes read at a time: large enough for a disk's full rate, small enough to stop soon after Ctrl-C. */
const chunkSize = 1024 * 1024;

export interface StreamOptions {
  readonly signal?: AbortSignal;
  /** Called with the number of bytes since the last call. */
  readonly onBytes?: (count: number) => void;
}

export interface Written {
  readonly size: number;
  /** `sha256:` and 64 hexadecimal digits. */
  readonly digest: string;
}

function writeAll(descriptor: number, bytes: Uint8Array, position: number | null): void {
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(
      descriptor,
      bytes,
      done,
      bytes.length - done,
      position === null ? null : position + done,
    );
  }
}

export function throwIfStopped(signal: AbortSignal | undefined): void {
  if (signal?.aborted) {
    throw new KairosError('INTERRUPTED', 'The run was interrupted', {
      exit: 'interrupted',
      cause: signal.reason,
    });
  }
}

/**
 * Writes a file of any size with bounded memory, so that after a power cut it is there whole or not at all: beside,
 * synced, renamed, directory synced.
 * @throws KairosError `NO_SPACE`, `INTERRUPTED`
 */
export async function writeStream(
  files: HostFiles,
  path: string,
  chunks: AsyncIterable<Uint8Array>,
  options: StreamOptions & { readonly mode?: number } = {},
): Promise<Written> {
  const place = files.real(path);
  mkdirSync(dirname(place), { recursive: true });
  const hash = createHash('sha256');
  let size = 0;
  const { name: temporary, made: descriptor } = makeBeside(place, (name) => openSync(name, 'wx', 0o600));
  try {
    try {
      for await (const chunk of chunks) {
        throwIfStopped(options.signal);
        writeAll(descriptor, chunk, null);
        hash.update(chunk);
        size += chunk.length;
        options.onBytes?.(chunk.length);
      }
      throwIfStopped(options.signal);
      fchmodSync(descriptor, options.mode ?? 0o644);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(temporary, place);
  } catch (error) {
    rmSync(temporary, { force: true });
    if (isSystemError(error, 'ENOSPC', 'EDQUOT')) {
      throw new KairosError('NO_SPACE', `No space left for ${path} after ${formatSize(size)}`, {
        exit: 'noSpace',
        cause: error,
        details: { path, written: size },
      });
    }
    throw error;
  }
  syncPath(dirname(place));
  return { size, digest: `sha256:${hash.digest('hex')}` };
}

/**
 * The bytes of a file, chunk by chunk. A chunk is valid until the next one is asked for.
 * `fromDisk` drops what the kernel holds of the file in memory first, so that the disk itself is read.
 */
export async function* readStream(
  files: HostFiles,
  path: string,
  options: StreamOptions & { readonly fromDisk?: boolean } = {},
): AsyncGenerator<Uint8Array> {
  const descriptor = openSync(files.real(path), 'r');
  try {
    if (options.fromDisk) {
      // Only clean pages can be dropped.
      fsyncSync(descriptor);
      dropCacheCall(descriptor);
    }
    const buffer = Buffer.allocUnsafe(chunkSize);
    for (;;) {
      throwIfStopped(options.signal);
      const count = readSync(descriptor, buffer, 0, chunkSize, null);
      if (count === 0) return;
      yield buffer.subarray(0, count);
      options.onBytes?.(count);
      // A file in memory is read without waiting; let signals and output through.
      await Promise.resolve();
    }
  } finally {
    closeSync(descriptor);
  }
}

/** Size and digest of a file as its disk has it. */
export async function digestOnDisk(
  files: HostFiles,
  path: string,
  options: StreamOptions = {},
): Promise<Written> {
  const hash = createHash('sha256');
  let size = 0;
  for await (const chunk of readStream(files, path, { ...options, fromDisk: true })) {
    hash.update(chunk);
    size += chunk.length;
  }
  return { size, digest: `sha256:${hash.digest('hex')}` };
}

/**
 * Writes bytes to a block device (or an image file) at an offset, syncs, and reads them back from the device.
 * @throws KairosError `DEVICE_READ_BACK`
 */
export function writeDevice(files: HostFiles, device: string, bytes: Uint8Array, offset: number): void {
  const descriptor = openSync(files.real(device), 'r+');
  try {
    writeAll(descriptor, bytes, offset);
    fsyncSync(descriptor);
    dropCacheCall(descriptor);
    const back = Buffer.alloc(bytes.length);
    let done = 0;
    while (done < back.length) {
      const count = readSync(descriptor, back, done, back.length - done, offset + done);
      if (count === 0) break;
      done += count;
    }
    if (!back.equals(bytes)) {
      throw new KairosError(
        'DEVICE_READ_BACK',
        `${device} does not give back the ${bytes.length} bytes written at ${offset}`,
        { exit: 'unsuitableDisk', hint: 'The disk is failing; replace it', details: { device, offset } },
      );
    }
  } finally {
    closeSync(descriptor);
  }
}
