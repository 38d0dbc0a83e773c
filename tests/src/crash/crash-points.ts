import type { BlockDisk } from './block-disk.ts';
import type { LogEntry } from './write-log.ts';

/** The smallest unit that a disk writes whole. */
export const sectorSize = 512;

/** A generator of numbers below 1 that gives the same for the same seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}

/** Lays an entry on a disk; what was discarded reads as zeros. */
export function applyEntry(disk: BlockDisk, entry: LogEntry, length = entry.length): void {
  if (length === 0) return;
  disk.write(entry.offset, entry.discard ? new Uint8Array(length) : entry.data.subarray(0, length));
}

/** A write as a power cut left it: `length` of its bytes are on the disk, the others are what they were before. */
export interface SurvivingWrite {
  readonly entry: LogEntry;
  readonly length: number;
}

/**
 * One way in which a disk with a volatile cache may lose the writes that no flush has covered yet: each of them is on
 * the disk, or not, or in part (its first sectors). What was written with FUA is there.
 */
export function sampleSurvivors(pending: readonly LogEntry[], random: () => number): SurvivingWrite[] {
  // Nearly all, about half, or nearly none: each finds other faults.
  const share = [0.15, 0.5, 0.85][Math.floor(random() * 3)] as number;
  return pending.flatMap((entry): SurvivingWrite[] => {
    const [dice, torn, cut] = [random(), random(), random()];
    if (entry.fua) return [{ entry, length: entry.length }];
    if (dice >= share) return [];
    const sectors = entry.length / sectorSize;
    const kept = sectors > 1 && torn < 0.25 ? 1 + Math.floor(cut * (sectors - 1)) : sectors;
    return [{ entry, length: kept * sectorSize }];
  });
}

/** A moment at which the power may go. */
export interface CrashPoint {
  /** The entry that has just completed. */
  readonly entry: number;
  /** The text of the last mark. */
  readonly phase: string;
  /** The writes since the last flush; empty right after a flush. */
  readonly pending: readonly LogEntry[];
}

export interface WalkOptions {
  /** Gives the text of a mark where an entry is one. Default: the log's own marks. */
  readonly markOf?: (entry: LogEntry) => string | undefined;
  /** Called when everything up to here, and nothing else, is on the disk for good. */
  readonly onFlush?: (disk: BlockDisk, point: CrashPoint) => void;
  /**
   * Called before a flush completes, with the disk as it was after the flush before and the writes since then; what of
   * them survives is for the caller to choose, see {@link sampleSurvivors}.
   */
  readonly onWindow?: (durable: BlockDisk, point: CrashPoint) => void;
  /** Called at the end of the log, with all that was written on the disk. */
  readonly onEnd?: (disk: BlockDisk, phase: string) => void;
}

/**
 * Walks through a log from an empty disk and stops at each flush. A flush flag on a write counts before the write, as
 * REQ_PREFLUSH does.
 */
export function walk(disk: BlockDisk, entries: Iterable<LogEntry>, options: WalkOptions): void {
  let pending: LogEntry[] = [];
  let phase = '';
  const complete = (entry: number) => {
    options.onWindow?.(disk, { entry, phase, pending });
    for (const write of pending) applyEntry(disk, write);
    pending = [];
    options.onFlush?.(disk, { entry, phase, pending });
  };
  for (const entry of entries) {
    const mark = options.markOf ? options.markOf(entry) : entry.mark;
    if (entry.flush) complete(entry.index);
    if (mark !== undefined) phase = mark;
    if (entry.length > 0) pending.push(entry);
  }
  for (const write of pending) applyEntry(disk, write);
  options.onEnd?.(disk, phase);
}
