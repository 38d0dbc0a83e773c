import { closeSync, ftruncateSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import type { HostFiles } from './host.ts';
import { lockCall } from './system-calls.ts';

/** Who holds a lock, as the holder wrote it. */
export interface LockHolder {
  readonly pid: number;
  /** What the holder does, in a word or two. */
  readonly work: string;
  /** RFC 3339. */
  readonly since: string;
}

export type LockAttempt =
  | { readonly held: true; release(): void }
  /** `holder` is missing in the instant between taking the lock and writing who took it. */
  | { readonly held: false; readonly holder: LockHolder | undefined };

function readHolder(path: string): LockHolder | undefined {
  try {
    const { pid, work, since } = JSON.parse(readFileSync(path, 'utf8')) as Partial<LockHolder>;
    return typeof pid === 'number' && typeof work === 'string' && typeof since === 'string'
      ? { pid, work, since }
      : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Takes a lock that the kernel gives back when its holder ends, however it ends: what a killed process left in the
 * file locks nobody out. The file stays, so that two processes never lock two files of one name.
 */
export function tryLock(files: HostFiles, path: string, holder: LockHolder): LockAttempt {
  const place = files.real(path);
  mkdirSync(dirname(place), { recursive: true });
  const descriptor = openSync(place, 'a+', 0o644);
  if (!lockCall(descriptor)) {
    closeSync(descriptor);
    return { held: false, holder: readHolder(place) };
  }
  ftruncateSync(descriptor);
  writeSync(descriptor, `${JSON.stringify(holder)}\n`);
  let held = true;
  return {
    held: true,
    release() {
      if (!held) return;
      held = false;
      ftruncateSync(descriptor);
      closeSync(descriptor);
    },
  };
}
