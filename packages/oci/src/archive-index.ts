import { randomBytes } from 'node:crypto';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { isSystemError, KairosError } from '@kairos/facts/errors';
import { openOrdinary } from '@kairos/host/ordinary-file';
import { compressionOf, decompress } from './decompress.ts';
import { readFileStream, readRange, skippingStream, writeFully } from './file-stream.ts';
import { tarError } from './tar-header.ts';
import { entryPath } from './tar-path.ts';
import { readTar } from './tar-read.ts';

interface Place {
  readonly position: number;
  readonly size: number;
}

const maximumFiles = 100_000;
const maximumLinks = 10;

/** Files of a tar archive by name, read where they lie, without unpacking. */
export interface ArchiveFiles {
  /** Bytes of a file, or `undefined` where there is none of that name. Links are followed inside the archive. */
  size(name: string): number | undefined;
  /** @throws KairosError `ARCHIVE_FILE_MISSING` */
  read(name: string, length?: number): AsyncGenerator<Uint8Array>;
  close(): void;
}

/** A compressed archive has no places to read from: it is unpacked into a file that has no name any more. */
async function uncompressed(path: string, name: string): Promise<FileHandle> {
  const folder = process.env.TMPDIR || '/var/tmp';
  const temporary = join(folder, `kairos-archive-${process.pid}-${randomBytes(4).toString('hex')}`);
  const handle = await open(temporary, 'wx+', 0o600);
  try {
    await rm(temporary);
    let at = 0;
    for await (const chunk of decompress(readFileStream(path), name)) {
      await writeFully(handle, chunk, at);
      at += chunk.length;
    }
    return handle;
  } catch (error) {
    await handle.close();
    if (!isSystemError(error, 'ENOSPC', 'EDQUOT')) throw error;
    throw new KairosError('NO_SPACE', `No space left in ${folder} to decompress ${name}`, {
      exit: 'noSpace',
      hint: 'Set TMPDIR to a directory with more space, or decompress the archive.',
      cause: error,
    });
  }
}

/**
 * Indexes a tar archive, gzip or zstd taken off where needed (into a temporary file below `TMPDIR`, `/var/tmp` by
 * default).
 * @param name Names the archive in messages.
 * @throws KairosError `ARCHIVE_NOT_FOUND`, `NO_SPACE`, `TAR_*`
 */
export async function indexArchive(path: string, name = path): Promise<ArchiveFiles> {
  let handle: FileHandle;
  try {
    handle = await openOrdinary(path, { exit: 'corruptSource' });
  } catch (error) {
    if (error instanceof KairosError) {
      throw new KairosError('ARCHIVE_NOT_FOUND', `${name} is not a file`, { exit: 'notFound', cause: error });
    }
    if (!isSystemError(error, 'ENOENT', 'ENOTDIR')) throw error;
    throw new KairosError('ARCHIVE_NOT_FOUND', `There is no archive ${path}`, {
      exit: 'notFound',
      cause: error,
    });
  }
  const places = new Map<string, Place>();
  const links = new Map<string, string>();
  try {
    const start = Buffer.alloc(6);
    await handle.read(start, 0, 6, 0);
    if (compressionOf(start) !== 'none') {
      const plain = await uncompressed(path, name);
      await handle.close();
      handle = plain;
    }
    const total = (await handle.stat()).size;
    for await (const entry of readTar(skippingStream(handle), { name })) {
      const where = `${name}, entry ${JSON.stringify(entry.name)}`;
      const place = entryPath(entry.name, where);
      if (entry.type === 'symlink') links.set(place, posix.join(posix.dirname(place), entry.linkName));
      else if (entry.type === 'hardlink') links.set(place, entryPath(entry.linkName, where));
      if (places.size + links.size > maximumFiles)
        throw tarError('TAR_TOO_LARGE', name, `it has more than ${maximumFiles} files`);
      if (entry.type !== 'file') continue;
      if (entry.extents !== undefined)
        throw tarError('TAR_UNSUPPORTED', where, 'an image archive has no sparse files');
      if (entry.position + entry.size > total) {
        throw new KairosError('TAR_TRUNCATED', `${where}: the archive ends within it, after ${total} bytes`, {
          exit: 'corruptSource',
        });
      }
      places.set(place, { position: entry.position, size: entry.size });
    }
  } catch (error) {
    await handle.close();
    throw error;
  }
  const find = (file: string): Place | undefined => {
    let at = file;
    for (let hops = 0; hops < maximumLinks; hops++) {
      const place = places.get(at);
      if (place !== undefined) return place;
      const next = links.get(at);
      if (next === undefined) return undefined;
      at = next;
    }
    return undefined;
  };
  return {
    size: (file) => find(file)?.size,
    async *read(file, length = Number.MAX_SAFE_INTEGER) {
      const place = find(file);
      if (place === undefined) {
        throw new KairosError('ARCHIVE_FILE_MISSING', `${name} does not hold ${file}`, {
          exit: 'corruptSource',
        });
      }
      yield* readRange(handle, place.position, Math.min(length, place.size));
    },
    close: () => void handle.close(),
  };
}
