import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { BlockDisk } from './block-disk.ts';
import { applyEntry, randomFrom, sampleSurvivors, walk } from './crash-points.ts';
import { markOf, openLog } from './matrix.ts';
import { diskSize } from './session.ts';

export interface RebuiltDisk {
  readonly disk: BlockDisk;
  readonly phase: string;
}

/** The disk as it was when the machine lost its power at the end of the session. */
export function rebuildEnd(log: string): BlockDisk {
  const disk = new BlockDisk(diskSize);
  walk(disk, openLog(log).entries(), { markOf });
  return disk;
}

/**
 * Rebuilds disks from a log, in one walk through it: for each flush that is wanted the disk right after it, or, with a
 * seed, as it was before, with what the seed says of the writes in between.
 * @throws Error where the log has no flush at an entry
 */
export function rebuild(
  log: string,
  wanted: readonly { readonly entry: number; readonly seed?: number | undefined }[],
  each: (rebuilt: RebuiltDisk, index: number) => void,
): void {
  const left = new Set(wanted.keys());
  walk(new BlockDisk(diskSize), openLog(log).entries(), {
    markOf,
    onWindow(durable, { entry, phase, pending }) {
      for (const [index, one] of wanted.entries()) {
        if (one.entry !== entry || one.seed === undefined) continue;
        const disk = durable.overlay();
        for (const write of sampleSurvivors(pending, randomFrom(one.seed))) {
          applyEntry(disk, write.entry, write.length);
        }
        left.delete(index);
        each({ disk, phase }, index);
      }
    },
    onFlush(disk, { entry, phase }) {
      for (const [index, one] of wanted.entries()) {
        if (one.entry !== entry || one.seed !== undefined) continue;
        left.delete(index);
        each({ disk, phase }, index);
      }
    },
  });
  if (left.size > 0) {
    throw new Error(`no flush at ${[...left].map((index) => wanted[index]?.entry).join(', ')} of ${log}`);
  }
}

/** Writes a disk into a sparse file. */
export function writeDisk(disk: BlockDisk, path: string): void {
  const descriptor = openSync(path, 'w');
  try {
    ftruncateSync(descriptor, disk.size);
    for (const { offset, bytes } of disk.writtenBlocks()) {
      if (bytes.every((byte) => byte === 0)) continue;
      writeSync(descriptor, bytes, 0, bytes.length, offset);
    }
  } finally {
    closeSync(descriptor);
  }
}
