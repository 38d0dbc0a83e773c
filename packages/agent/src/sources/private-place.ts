import { lstatSync, type Stats, statSync } from 'node:fs';
import { KairosError } from '@kairos/facts/errors';
import type { Host } from '@kairos/host/host';

/** The owners whose directories are trusted: root and whoever runs this. */
const isTrusted = ({ uid }: Stats) => uid === 0 || uid === process.geteuid?.();

/**
 * Makes a directory for work, for its owner alone. One that is there is taken only where nobody else can change what is
 * put into it, which becomes an operating system: below `/var/tmp` anybody may have made it, as a link to `/etc`, too.
 * @throws KairosError `WORK_NOT_PRIVATE`
 */
export function makePrivate(host: Host, path: string): void {
  host.files.makeDirectory(path, { mode: 0o700 });
  const real = host.files.real(path);
  const status = statSync(real);
  // In a sticky directory, such as /var/tmp itself, nobody can replace what is somebody else's.
  const isShared = (status.mode & 0o022) !== 0 && (status.mode & 0o1000) === 0;
  if (isTrusted(lstatSync(real)) && isTrusted(status) && !isShared) return;
  throw new KairosError(
    'WORK_NOT_PRIVATE',
    `${path} cannot be used for work: ${isShared ? 'others may write to it' : 'it belongs to somebody else'}`,
    {
      exit: 'wrongState',
      hint: 'Remove it if you do not know what it is, or name another directory by the environment variable KAIROS_WORK',
    },
  );
}
