import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { type ExitKind, KairosError } from '@kairos/facts/errors';
import { formatSize } from '@kairos/facts/size';

/** Not waiting: a pipe that nobody writes to would not even open. */
const readingFlags = constants.O_RDONLY | constants.O_NONBLOCK;

export interface OrdinaryFileOptions {
  /** The path as messages name it; default: the path itself. */
  readonly shown?: string;
  /** Of the errors that are ours; default: `invalidInput`. */
  readonly exit?: ExitKind;
}

const notOrdinary = (path: string, { shown = path, exit = 'invalidInput' }: OrdinaryFileOptions) =>
  new KairosError('FILE_NOT_ORDINARY', `${shown} is not an ordinary file`, { exit });

/**
 * Opens a file that somebody else may have laid there, links followed, for reading.
 * @throws KairosError `FILE_NOT_ORDINARY` for what could keep a reader waiting or never end: pipes, devices, directories;
 *   and the system's errors
 */
export async function openOrdinary(path: string, options: OrdinaryFileOptions = {}): Promise<FileHandle> {
  const handle = await open(path, readingFlags);
  try {
    if (!(await handle.stat()).isFile()) throw notOrdinary(path, options);
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/**
 * A file that somebody else may have laid there, links followed, whole.
 * @throws KairosError `FILE_NOT_ORDINARY`, `FILE_TOO_LARGE` beyond `limit` bytes, and the system's errors
 */
export function readOrdinary(path: string, limit: number, options: OrdinaryFileOptions = {}): Buffer {
  const { shown = path, exit = 'invalidInput' } = options;
  const descriptor = openSync(path, readingFlags);
  try {
    const status = fstatSync(descriptor);
    if (!status.isFile()) throw notOrdinary(path, options);
    const tooLarge = (size: string) =>
      new KairosError('FILE_TOO_LARGE', `${shown} has ${size}; at most ${formatSize(limit)} are read`, {
        exit,
      });
    if (status.size > limit) throw tooLarge(formatSize(status.size));
    // Files of /proc say that they have no size, and others may grow meanwhile.
    let bytes = Buffer.allocUnsafe(status.size + 1);
    let length = 0;
    for (;;) {
      const count = readSync(descriptor, bytes, length, bytes.length - length, null);
      if (count === 0) return bytes.subarray(0, length);
      length += count;
      if (length > limit) throw tooLarge(`more than ${formatSize(limit)}`);
      if (length === bytes.length) bytes = Buffer.concat([bytes], Math.min(2 * length, limit) + 4096);
    }
  } finally {
    closeSync(descriptor);
  }
}
