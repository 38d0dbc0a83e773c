import { closeSync, openSync, readdirSync, readSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { maximumFileSize } from '@kairos/config/collect';
import { isSystemError, KairosError, reasonOf } from '@kairos/facts/errors';
import { formatSize } from '@kairos/facts/size';
import { didYouMean } from '@kairos/facts/suggest';
import { urlWithoutSecrets } from '@kairos/facts/url';

/** Milliseconds for a URL to answer. */
const patience = 30_000;

const tooLarge = (name: string) =>
  new KairosError(
    'FILE_TOO_LARGE',
    `${name} has more than ${formatSize(maximumFileSize)}, the most that is read of a configuration`,
    { exit: 'invalidInput', hint: 'Is this the file that you meant?' },
  );

/**
 * The text behind a URL that a user named.
 * @throws KairosError if it cannot be had, `FILE_TOO_LARGE`
 */
export async function fetchNamed(url: string): Promise<string> {
  const [{ fetchContent }, { defaultServices }] = await Promise.all([
    import('@kairos/stages/fetch-content'),
    import('@kairos/stages/services'),
  ]);
  try {
    const bytes = await fetchContent(defaultServices, url, { size: maximumFileSize, time: patience });
    return new TextDecoder().decode(bytes);
  } catch (cause) {
    if (!(cause instanceof KairosError)) throw cause;
    if (cause.code === 'CONTENT_TOO_LARGE') throw tooLarge(urlWithoutSecrets(url));
    throw new KairosError(cause.code, cause.message, {
      exit: cause.exit,
      hint: 'Check the address, or fetch the file by other means and give its path',
      cause,
    });
  }
}

/** The name in the same folder that may have been meant. */
function nearby(file: string): string | undefined {
  try {
    const names = readdirSync(dirname(file)).filter((name) => name !== basename(file));
    const near = didYouMean(basename(file), names);
    return near === undefined
      ? undefined
      : `Did you mean ${file.slice(0, file.length - basename(file).length)}${near}?`;
  } catch {
    return undefined;
  }
}

/** What an error of the system says about a file that a user named; other errors as they are. */
export function unreadable(cause: unknown, file: string): unknown {
  const error = (code: string, reason: string, exit: 'notFound' | 'notPermitted', hint: string) =>
    new KairosError(code, `Cannot read ${file}: ${reason}`, { exit, hint, cause });
  const usual = 'Give the path of a file or directory, a URL, or - for standard input';
  if (isSystemError(cause, 'ENOENT', 'ENOTDIR', 'ENAMETOOLONG')) {
    const hint = nearby(file) ?? usual;
    return error('FILE_NOT_FOUND', 'there is no such file or directory', 'notFound', hint);
  }
  if (isSystemError(cause, 'ELOOP')) {
    return error('FILE_NOT_FOUND', 'its links lead in a circle', 'notFound', usual);
  }
  if (isSystemError(cause, 'EISDIR')) {
    return error('NOT_A_FILE', 'it is a directory', 'notFound', 'Give the path of a file');
  }
  if (isSystemError(cause, 'EACCES', 'EPERM')) {
    return error('FILE_FORBIDDEN', 'permission denied', 'notPermitted', 'Run the command as root');
  }
  if (!isSystemError(cause, 'EIO', 'ENXIO', 'EINVAL', 'ENODEV')) return cause;
  return error('FILE_UNREADABLE', reasonOf(cause), 'notFound', 'Give the path of an ordinary file');
}

/**
 * The text of a file that a user named, `-` for standard input. One of any size may be named, or one without an end: no
 * more is read than would be looked at.
 * @throws KairosError `FILE_NOT_FOUND`, `FILE_FORBIDDEN`, `FILE_TOO_LARGE`
 */
export function readNamed(file: string): string {
  let descriptor = 0;
  try {
    if (file !== '-') descriptor = openSync(file, 'r');
  } catch (cause) {
    throw unreadable(cause, file);
  }
  try {
    const bytes = Buffer.alloc(maximumFileSize + 1);
    let length = 0;
    while (length < bytes.length) {
      const count = readSync(descriptor, bytes, length, bytes.length - length, null);
      if (count === 0) break;
      length += count;
    }
    if (length > maximumFileSize) throw tooLarge(file === '-' ? 'standard input' : file);
    return bytes.toString('utf8', 0, length);
  } catch (cause) {
    throw unreadable(cause, file);
  } finally {
    if (descriptor !== 0) closeSync(descriptor);
  }
}
