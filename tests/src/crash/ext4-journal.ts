import type { BlockDisk } from './block-disk.ts';
import { Ext4Error, Ext4View } from './ext4-view.ts';

/**
 * Replays the journal of an ext4 as the kernel does at a mount (fs/jbd2/recovery.c; layouts in the kernel's
 * Documentation/filesystems/ext4/journal.rst). Numbers of the journal are big-endian.
 */

const magic = 0xc03b3998;
const blockType = { descriptor: 1, commit: 2, revoke: 5 } as const;
const feature = { wide: 0x2, checksums2: 0x8, checksums3: 0x10, fastCommit: 0x20 } as const;
const tagFlag = { escaped: 1, sameUuid: 2, last: 8 } as const;
const journalInode = 8;

const table = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1;
  return value;
});
/** CRC-32C without the final inversion, as the kernel's `crc32c()`. */
export function crc32c(seed: number, bytes: Uint8Array): number {
  let value = seed;
  for (const byte of bytes) value = (value >>> 8) ^ (table[(value ^ byte) & 0xff] as number);
  return value >>> 0;
}

interface Tag {
  readonly block: number;
  readonly escaped: boolean;
  readonly checksum: number;
}

class Journal {
  readonly first: number;
  readonly length: number;
  readonly sequence: number;
  readonly start: number;
  readonly #features: number;
  readonly #seed: number;

  constructor(
    private readonly read: (block: number) => Buffer,
    readonly blockSize: number,
  ) {
    const superblock = read(0);
    if (superblock.readUInt32BE(0) !== magic) throw new Ext4Error('the journal has no superblock');
    this.length = superblock.readUInt32BE(0x10);
    this.first = superblock.readUInt32BE(0x14);
    this.sequence = superblock.readUInt32BE(0x18);
    this.start = superblock.readUInt32BE(0x1c);
    this.#features = superblock.readUInt32BE(0x28);
    this.#seed = crc32c(0xffffffff, superblock.subarray(0x30, 0x40));
    if (this.#features & feature.fastCommit) throw new Ext4Error('fast commits are not known here');
  }

  get hasChecksums(): boolean {
    return (this.#features & (feature.checksums2 | feature.checksums3)) !== 0;
  }

  next(block: number): number {
    return block + 1 >= this.length ? this.first : block + 1;
  }

  block(number: number): Buffer {
    return this.read(number);
  }

  /** The checksum in the last four bytes of a descriptor or a revocation. */
  tailIsRight(block: Buffer): boolean {
    if (!this.hasChecksums) return true;
    const copy = Buffer.from(block);
    copy.writeUInt32BE(0, copy.length - 4);
    return crc32c(this.#seed, copy) === block.readUInt32BE(block.length - 4);
  }

  commitIsRight(block: Buffer): boolean {
    if (!this.hasChecksums) return true;
    const copy = Buffer.from(block);
    copy.writeUInt32BE(0, 0x10);
    return crc32c(this.#seed, copy) === block.readUInt32BE(0x10);
  }

  dataIsRight(tag: Tag, sequence: number, data: Buffer): boolean {
    if (!this.hasChecksums) return true;
    const number = Buffer.alloc(4);
    number.writeUInt32BE(sequence);
    const found = crc32c(crc32c(this.#seed, number), data);
    return this.#features & feature.checksums3 ? found === tag.checksum : (found & 0xffff) === tag.checksum;
  }

  tags(block: Buffer): Tag[] {
    const third = (this.#features & feature.checksums3) !== 0;
    const wide = (this.#features & feature.wide) !== 0;
    const size = third ? 16 : wide ? 12 : 8;
    const end = block.length - (this.hasChecksums ? 4 : 0);
    const tags: Tag[] = [];
    for (let at = 12; at + size <= end; ) {
      const flags = third ? block.readUInt32BE(at + 4) : block.readUInt16BE(at + 6);
      const high = third ? block.readUInt32BE(at + 8) : wide ? block.readUInt32BE(at + 8) : 0;
      tags.push({
        block: block.readUInt32BE(at) + (wide ? high * 0x1_0000_0000 : 0),
        escaped: (flags & tagFlag.escaped) !== 0,
        checksum: third ? block.readUInt32BE(at + 12) : block.readUInt16BE(at + 4),
      });
      at += size + (flags & tagFlag.sameUuid ? 0 : 16);
      if (flags & tagFlag.last) break;
    }
    return tags;
  }

  revocations(block: Buffer): number[] {
    const wide = (this.#features & feature.wide) !== 0;
    const end = Math.min(block.readUInt32BE(12), block.length);
    const found: number[] = [];
    for (let at = 16; at + (wide ? 8 : 4) <= end; at += wide ? 8 : 4) {
      found.push(wide ? Number(block.readBigUInt64BE(at)) : block.readUInt32BE(at));
    }
    return found;
  }
}

/** A transaction that was committed: blocks in their order, and blocks that earlier ones must not write. */
interface Transaction {
  readonly sequence: number;
  readonly writes: readonly { readonly to: number; readonly data: Buffer }[];
  readonly revoked: readonly number[];
}

function committed(journal: Journal): Transaction[] {
  const transactions: Transaction[] = [];
  if (journal.start === 0) return transactions;
  let at = journal.start;
  for (let sequence = journal.sequence; transactions.length < journal.length; sequence++) {
    const writes: { to: number; data: Buffer }[] = [];
    const revoked: number[] = [];
    let sound = true;
    for (;;) {
      const block = journal.block(at);
      if (block.readUInt32BE(0) !== magic || block.readUInt32BE(8) !== sequence >>> 0) return transactions;
      const type = block.readUInt32BE(4);
      at = journal.next(at);
      if (type === blockType.descriptor) {
        if (!journal.tailIsRight(block)) return transactions;
        for (const tag of journal.tags(block)) {
          const data = Buffer.from(journal.block(at));
          at = journal.next(at);
          sound &&= journal.dataIsRight(tag, sequence >>> 0, data);
          if (tag.escaped) data.writeUInt32BE(magic, 0);
          writes.push({ to: tag.block, data });
        }
      } else if (type === blockType.revoke) {
        if (!journal.tailIsRight(block)) return transactions;
        revoked.push(...journal.revocations(block));
      } else if (type === blockType.commit) {
        if (!journal.commitIsRight(block)) return transactions;
        break;
      } else return transactions;
    }
    if (!sound) throw new Ext4Error(`transaction ${sequence} was committed without its blocks`);
    transactions.push({ sequence, writes, revoked });
  }
  return transactions;
}

/**
 * The file system as Linux has it after a mount: a view of a copy, into which the journal was replayed.
 * @throws Ext4Error where the journal cannot be replayed
 */
export function replayed(disk: BlockDisk, start: number): Ext4View {
  const view = new Ext4View(disk, start);
  if (!view.needsRecovery) return view;
  const inode = view.inode(journalInode);
  const places = view.blockOffsets(inode);
  const journal = new Journal((block) => {
    const place = places[block];
    if (place === undefined) throw new Ext4Error(`the journal has no block ${block}`);
    return Buffer.from(disk.read(place, view.blockSize));
  }, view.blockSize);
  const transactions = committed(journal);
  const revokedAt = new Map<number, number>();
  for (const { sequence, revoked } of transactions)
    for (const block of revoked) revokedAt.set(block, sequence);
  const copy = disk.overlay();
  for (const { sequence, writes } of transactions) {
    for (const { to, data } of writes) {
      if ((revokedAt.get(to) ?? -1) >= sequence) continue;
      copy.write(start + to * view.blockSize, new Uint8Array(data));
    }
  }
  return new Ext4View(copy, start);
}
