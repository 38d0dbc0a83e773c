import { MiB } from '@kairos/facts/size';

/** Bytes of all files of a slot. */
export function slotSize(files: ReadonlyMap<string, number>): number {
  return [...files.values()].reduce((sum, size) => sum + size, 0);
}

/** Bytes that a slot takes beside its files: directories, and files rounded up to blocks. */
export const slotOverhead = MiB;

/** ext4 itself takes up to this share of a partition. */
export const filesystemShare = 0.03;
