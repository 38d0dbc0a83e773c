import { reasonOf } from '@kairos/facts/errors';
import { labels } from '@kairos/facts/labels';
import { type Clock, systemClock } from '@kairos/host/clock';
import type { Disk } from '@kairos/host/disks';
import type { Host } from '@kairos/host/host';
import { awaitLock, bootStateOfHost, describeHolder, lookWork, runOperation } from '../operation.ts';
import { isClosed, openPartition, systemDisk } from './partition-access.ts';

/** Where partitions with slots can be read. */
export interface SlotPlaces {
  readonly state?: string | undefined;
  readonly recovery?: string | undefined;
  /** Those that cannot be, and why; missing where there is none. */
  readonly unread?: readonly string[];
}

/**
 * Mounts what holds slots and is not mounted, read-only, for the time of `read`: recovery does not have `COS_STATE`
 * mounted, and the other systems not `COS_RECOVERY`. What changes them in a moment is waited for. A reset that begins in
 * that instant waits, and one that is under way is not disturbed: its file systems may be made anew. Not on a live medium, whose disks may be anybody's.
 */
export async function lookAtSlots<Result>(
  host: Host,
  read: (places: SlotPlaces) => Promise<Result>,
  clock: Clock = systemClock,
): Promise<Result> {
  const bootState = bootStateOfHost(host);
  if (bootState === 'livecd' || bootState === 'unknown') return read({});
  let disk: Disk;
  try {
    disk = await systemDisk(host);
  } catch (error) {
    return read({ unread: [reasonOf(error)] });
  }
  const closed = (['state', 'recovery'] as const).filter((key) => isClosed(disk, key));
  if (closed.length === 0) return read({});
  const refused = (why: string) => read({ unread: closed.map((key) => `${labels[key]}: ${why}`) });
  if (host.uid !== 0) return refused('it is not mounted, and only root can look into it');
  const attempt = await awaitLock(host, lookWork, clock);
  if (!attempt.held) return refused(`it may be changing (${describeHolder(attempt.holder, new Date())})`);
  const unread: string[] = [];
  const warn = (message: string) => console.error(message);
  return runOperation({ warn }, async ({ cleanup }) => {
    cleanup.push('the lock', attempt.release);
    const places: { state?: string; recovery?: string } = {};
    for (const key of closed) {
      try {
        const place = openPartition(host, disk, key, cleanup);
        if (place) places[key] = place.mountPoint;
      } catch (error) {
        unread.push(`${labels[key]}: ${reasonOf(error)}`);
      }
    }
    return read({ ...places, ...(unread.length > 0 ? { unread } : {}) });
  });
}
