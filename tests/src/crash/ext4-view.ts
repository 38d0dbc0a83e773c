import { blockSize as diskBlock, type ReadableDisk } from './block-disk.ts';

/**
 * Reads ext4 as a boot loader does: what is in its place counts, the journal does not. Layouts are those of the
 * kernel's Documentation/filesystems/ext4.
 */

const extentsFlag = 0x80000;
const inlineDataFlag = 0x10000000;
const recoverFeature = 0x4;
const has64bit = 0x80;

/** Thrown where the file system is not what it has to be; a boot loader would stop here too. */
export class Ext4Error extends Error {}

export interface Inode {
  readonly number: number;
  readonly kind: 'file' | 'directory' | 'other';
  readonly size: number;
  readonly flags: number;
  /** The 60 bytes that tell where the content is. */
  readonly map: Buffer;
}

/** Blocks of a file that are side by side; `physical` 0 stands for zeros. */
export interface Extent {
  readonly logical: number;
  readonly physical: number;
  readonly count: number;
}

export class Ext4View {
  readonly blockSize: number;
  readonly label: string;
  readonly uuid: Buffer;
  /** The file system was not unmounted: its journal holds what is not in its place. */
  readonly needsRecovery: boolean;
  readonly #groupInodes: number;
  readonly #inodeSize: number;
  readonly #descriptorSize: number;
  readonly #firstDataBlock: number;

  /**
   * @param start where the partition begins, in bytes
   * @throws Ext4Error where there is none
   */
  constructor(
    readonly disk: ReadableDisk,
    private readonly start: number,
  ) {
    const superblock = Buffer.from(disk.read(start + 1024, 1024));
    if (superblock.readUInt16LE(0x38) !== 0xef53) throw new Ext4Error('there is no ext4');
    this.blockSize = 1024 << superblock.readUInt32LE(0x18);
    if (this.blockSize > 65536) throw new Ext4Error(`ext4 with blocks of ${this.blockSize} bytes`);
    this.#firstDataBlock = superblock.readUInt32LE(0x14);
    this.#groupInodes = superblock.readUInt32LE(0x28);
    this.#inodeSize = superblock.readUInt16LE(0x58);
    const incompatible = superblock.readUInt32LE(0x60);
    this.needsRecovery = (incompatible & recoverFeature) !== 0;
    this.#descriptorSize = incompatible & has64bit ? superblock.readUInt16LE(0xfe) : 32;
    this.label = superblock.toString('latin1', 0x78, 0x88).replace(/\0.*$/s, '');
    this.uuid = superblock.subarray(0x68, 0x78);
  }

  #block(number: number): Buffer {
    return Buffer.from(this.disk.read(this.start + number * this.blockSize, this.blockSize));
  }

  inode(number: number): Inode {
    const group = Math.floor((number - 1) / this.#groupInodes);
    const descriptor = Buffer.from(
      this.disk.read(
        this.start + (this.#firstDataBlock + 1) * this.blockSize + group * this.#descriptorSize,
        this.#descriptorSize,
      ),
    );
    const table =
      descriptor.readUInt32LE(8) +
      (this.#descriptorSize >= 64 ? descriptor.readUInt32LE(0x28) * 0x1_0000_0000 : 0);
    const offset = ((number - 1) % this.#groupInodes) * this.#inodeSize;
    const bytes = Buffer.from(this.disk.read(this.start + table * this.blockSize + offset, this.#inodeSize));
    const mode = bytes.readUInt16LE(0);
    return {
      number,
      kind: (mode & 0xf000) === 0x8000 ? 'file' : (mode & 0xf000) === 0x4000 ? 'directory' : 'other',
      size: bytes.readUInt32LE(4) + bytes.readUInt32LE(0x6c) * 0x1_0000_0000,
      flags: bytes.readUInt32LE(0x20),
      map: bytes.subarray(0x28, 0x64),
    };
  }

  /** @throws Ext4Error where the tree of extents is broken */
  extents(inode: Inode): Extent[] {
    if ((inode.flags & inlineDataFlag) !== 0) throw new Ext4Error('a file within its inode');
    if ((inode.flags & extentsFlag) === 0) throw new Ext4Error(`inode ${inode.number} has no extents`);
    const found: Extent[] = [];
    const visit = (node: Buffer, depth: number | undefined) => {
      if (node.readUInt16LE(0) !== 0xf30a) throw new Ext4Error(`inode ${inode.number}: no node of extents`);
      const [entries, own] = [node.readUInt16LE(2), node.readUInt16LE(6)];
      if ((depth !== undefined && own !== depth) || own > 5 || 12 + 12 * entries > node.length) {
        throw new Ext4Error(`inode ${inode.number}: a node of extents at the wrong depth`);
      }
      for (let index = 0; index < entries; index++) {
        const at = 12 + 12 * index;
        if (own === 0) {
          const length = node.readUInt16LE(at + 4);
          const written = length <= 32768;
          const physical = node.readUInt32LE(at + 8) + node.readUInt16LE(at + 6) * 0x1_0000_0000;
          const count = written ? length : length - 32768;
          found.push({ logical: node.readUInt32LE(at), physical: written ? physical : 0, count });
        } else {
          const child = node.readUInt32LE(at + 4) + node.readUInt16LE(at + 8) * 0x1_0000_0000;
          visit(this.#block(child), own - 1);
        }
      }
    };
    visit(inode.map, undefined);
    return found;
  }

  read(inode: Inode): Buffer {
    if (inode.size > 1024 ** 3) throw new Ext4Error(`inode ${inode.number} claims ${inode.size} bytes`);
    const result = Buffer.alloc(inode.size);
    for (const { logical, physical, count } of this.extents(inode)) {
      if (physical === 0) continue;
      const at = logical * this.blockSize;
      const length = Math.min(count * this.blockSize, inode.size - at);
      if (length > 0) result.set(this.disk.read(this.start + physical * this.blockSize, length), at);
    }
    return result;
  }

  /**
   * A word that is the same for files of the same content, made without looking at the content: for a store of
   * digests. Files of the same content may have different words.
   */
  contentKey(inode: Inode): string {
    const parts: string[] = [String(inode.size)];
    for (const { logical, physical, count } of this.extents(inode)) {
      const [from, to] = [physical, physical + count].map((block) => this.start + block * this.blockSize) as [
        number,
        number,
      ];
      const first = Math.floor(from / diskBlock);
      const ids =
        physical === 0 ? new Uint32Array() : this.disk.contentIds(first, Math.ceil(to / diskBlock) - first);
      parts.push(`${logical}+${count}@${from % diskBlock}:${Bun.hash(new Uint8Array(ids.buffer))}`);
    }
    return parts.join(' ');
  }

  /** Names in a directory, with the numbers of their inodes. */
  list(inode: Inode): Map<string, number> {
    if (inode.kind !== 'directory') throw new Ext4Error(`inode ${inode.number} is no directory`);
    const names = new Map<string, number>();
    const bytes = this.read(inode);
    for (let at = 0; at + 8 <= bytes.length; ) {
      const [number, length, nameLength] = [
        bytes.readUInt32LE(at),
        bytes.readUInt16LE(at + 4),
        bytes[at + 6] ?? 0,
      ];
      if (length < 8 || length % 4 !== 0)
        throw new Ext4Error(`inode ${inode.number}: a broken directory entry`);
      if (number !== 0) names.set(bytes.toString('utf8', at + 8, at + 8 + nameLength), number);
      at += length;
    }
    names.delete('.');
    names.delete('..');
    names.delete('');
    return names;
  }

  /** The inode at a path; `undefined` where there is none. */
  lookup(path: string): Inode | undefined {
    let inode = this.inode(2);
    for (const name of path.split('/').filter(Boolean)) {
      if (inode.kind !== 'directory') return undefined;
      const number = this.list(inode).get(name);
      if (number === undefined) return undefined;
      inode = this.inode(number);
    }
    return inode;
  }

  readFile(path: string): Buffer | undefined {
    const inode = this.lookup(path);
    return inode?.kind === 'file' ? this.read(inode) : undefined;
  }

  /** Where each block of a file is on the disk, in bytes. */
  blockOffsets(inode: Inode): number[] {
    const offsets: number[] = [];
    for (const { logical, physical, count } of this.extents(inode)) {
      for (let index = 0; index < count; index++) {
        offsets[logical + index] = this.start + (physical + index) * this.blockSize;
      }
    }
    return offsets;
  }
}
