import { closeSync, ftruncateSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { KairosError } from '@kairos/facts/errors';
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

/** Milliseconds for which another program may hold a disk. */
const devicePatience = 30_000;

/**
 * Locks a whole disk while its partitions change: udev keeps its hands off a device on which somebody holds an exclusive
 * lock (systemd, "Locking Block Device Access"). Otherwise it reads the table anew after each program that wrote to
 * the disk, and takes partitions away and gives them back under the hands of the next one.
 *
 * @returns what gives the lock back; udev looks at the disk then
 * @throws KairosError `DISK_BUSY` where another program holds it for 30 s
 */
export async function lockDevice(files: HostFiles, path: string): Promise<() => void> {
  // For writing, so that closing it is what udev waits for.
  const descriptor = openSync(files.real(path), 'r+');
  const end = performance.now() + devicePatience;
  try {
    while (!lockCall(descriptor)) {
      if (performance.now() > end) {
        throw new KairosError(
          'DISK_BUSY',
          `Another program has held ${path} for ${devicePatience / 1000} s`,
          {
            exit: 'wrongState',
            hint: `fuser ${path} names the program`,
          },
        );
      }
      await Bun.sleep(50);
    }
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
  return () => closeSync(descriptor);
}
