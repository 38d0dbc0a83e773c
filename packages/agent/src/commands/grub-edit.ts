import { KairosError } from '@kairos/facts/errors';
import {
  type GrubVariables,
  readGrubEnvironment,
  updateGrubEnvironment,
} from '@kairos/host/grub-environment';
import type { Host } from '@kairos/host/host';
import { checkRoot, runOperation, takeLock } from '../operation.ts';

export const defaultGrubFile = '/oem/grubenv';

/**
 * Reads `NAME=VALUE` words; an empty value removes the variable.
 * @throws KairosError `GRUB_ASSIGNMENT`
 */
export function parseAssignmentWords(words: readonly string[]): GrubVariables {
  return Object.fromEntries(
    words.map((word) => {
      const at = word.indexOf('=');
      if (at > 0) return [word.slice(0, at), word.slice(at + 1)];
      throw new KairosError('GRUB_ASSIGNMENT', `${JSON.stringify(word)} is not NAME=VALUE`, {
        exit: 'usage',
        hint: 'NAME= without a value removes the variable',
      });
    }),
  );
}

/**
 * Variables of a GRUB environment block, after `changes` were made to it. Where there are changes and no file, it is made.
 * @throws KairosError `NOT_ROOT`, `NOT_FOUND`, `BUSY`, `GRUB_*`
 */
export async function grubEdit(
  host: Host,
  path: string,
  changes: GrubVariables,
  warn: (message: string) => void,
): Promise<GrubVariables> {
  checkRoot(host);
  if (Object.keys(changes).length === 0) {
    if (host.files.exists(path)) return readGrubEnvironment(host.files, path);
    throw new KairosError('NOT_FOUND', `There is no file ${path}`, { exit: 'notFound' });
  }
  return runOperation({ warn }, async ({ cleanup }) => {
    cleanup.push('the lock', takeLock(host, 'grubedit', new Date()));
    return updateGrubEnvironment(host, path, changes);
  });
}
