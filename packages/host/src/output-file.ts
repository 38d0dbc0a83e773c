import { statSync } from 'node:fs';
import { isSystemError, KairosError, reasonOf } from '@kairos/facts/errors';

/**
 * Refuses a place where a file cannot be made by renaming: a directory, and above all a device or a pipe, whose node
 * would be replaced by the file: the disk that was meant gets nothing, and root has no `/dev/null` any more.
 * Symbolic links count as what they lead to (`/dev/stdout`, `/dev/disk/by-id/…`).
 * @param path As it is on the machine.
 * @throws KairosError `OUTPUT_IS_DIRECTORY`, `OUTPUT_IS_DEVICE` (exit `usage`), `OUTPUT_NOT_WRITABLE`
 */
export function checkOutputFile(path: string): void {
  const found = existing(path);
  if (found === undefined || found.isFile()) return;
  if (found.isDirectory()) {
    throw new KairosError('OUTPUT_IS_DIRECTORY', `Cannot write ${path}: it is a directory`, {
      exit: 'usage',
      hint: 'Name the file to write',
    });
  }
  const disk = found.isBlockDevice();
  throw new KairosError(
    'OUTPUT_IS_DEVICE',
    `Cannot write ${path}: it is ${disk ? 'a disk' : 'no ordinary file'}`,
    {
      exit: 'usage',
      hint: disk
        ? `Name a file, and write it to the disk then: dd if=FILE of=${path} bs=4M conv=fsync`
        : 'Name the file to write',
    },
  );
}

function existing(path: string) {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    throw outputNotWritable(path, error);
  }
}

/** Why an output could not be begun. */
export function outputNotWritable(path: string, cause: unknown): KairosError {
  return new KairosError('OUTPUT_NOT_WRITABLE', `Cannot write ${path}: ${reasonOf(cause)}`, {
    exit: isSystemError(cause, 'EACCES', 'EPERM', 'EROFS')
      ? 'notPermitted'
      : isSystemError(cause, 'ENOENT', 'ENOTDIR')
        ? 'notFound'
        : 'failure',
    hint: 'Give an output in a folder that you may write to',
    cause,
  });
}
