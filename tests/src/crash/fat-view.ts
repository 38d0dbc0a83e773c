import type { ReadableDisk } from './block-disk.ts';

/** Thrown where the file system is not what it has to be. */
export class FatError extends Error {}

/** Clusters of a chain, before the chain is held to be a ring. */
const maximumClusters = 1 << 20;

/**
 * Reads FAT16 and FAT32 as firmware does, which checks and mends nothing (Microsoft, "FAT32 File System
 * Specification", 1.03). Names are the short ones, in capitals.
 */
export class FatView {
  readonly #clusterSize: number;
  readonly #dataStart: number;
  readonly #fat: Buffer;
  readonly #wide: boolean;
  readonly #root: { readonly offset: number; readonly size: number } | undefined;
  readonly #rootCluster: number;

  /**
   * @param start where the partition begins, in bytes
   * @throws FatError where there is none
   */
  constructor(
    private readonly disk: ReadableDisk,
    start: number,
  ) {
    const sector = Buffer.from(disk.read(start, 512));
    if (sector.readUInt16LE(510) !== 0xaa55) throw new FatError('there is no FAT');
    const bytes = sector.readUInt16LE(11);
    const [perCluster, reserved, fats] = [
      sector.readUInt8(13),
      sector.readUInt16LE(14),
      sector.readUInt8(16),
    ];
    const rootEntries = sector.readUInt16LE(17);
    const sectors = sector.readUInt16LE(19) || sector.readUInt32LE(32);
    const fatSectors = sector.readUInt16LE(22) || sector.readUInt32LE(36);
    if (![512, 1024, 2048, 4096].includes(bytes) || perCluster === 0 || fats === 0)
      throw new FatError('there is no FAT');
    this.#clusterSize = bytes * perCluster;
    const rootSectors = Math.ceil((rootEntries * 32) / bytes);
    const rootStart = reserved + fats * fatSectors;
    const clusters = Math.floor((sectors - rootStart - rootSectors) / perCluster);
    if (clusters < 4085) throw new FatError('FAT12 is not expected here');
    this.#wide = clusters >= 65525;
    this.#dataStart = start + (rootStart + rootSectors) * bytes;
    this.#fat = Buffer.from(disk.read(start + reserved * bytes, fatSectors * bytes));
    this.#root = this.#wide ? undefined : { offset: start + rootStart * bytes, size: rootEntries * 32 };
    this.#rootCluster = this.#wide ? sector.readUInt32LE(44) : 0;
  }

  #next(cluster: number): number {
    return this.#wide
      ? this.#fat.readUInt32LE(cluster * 4) & 0x0fffffff
      : this.#fat.readUInt16LE(cluster * 2);
  }

  #chain(first: number, size?: number): Buffer {
    const end = this.#wide ? 0x0ffffff8 : 0xfff8;
    const parts: Uint8Array[] = [];
    let cluster = first;
    for (let have = 0; cluster < end && (size === undefined || have < size); have += this.#clusterSize) {
      if (
        cluster < 2 ||
        (cluster + 1) * (this.#wide ? 4 : 2) > this.#fat.length ||
        parts.length > maximumClusters
      ) {
        throw new FatError(`a chain of clusters leads to ${cluster}`);
      }
      parts.push(this.disk.read(this.#dataStart + (cluster - 2) * this.#clusterSize, this.#clusterSize));
      cluster = this.#next(cluster);
    }
    const all = Buffer.concat(parts);
    if (size !== undefined && all.length < size) throw new FatError('a chain of clusters ends too early');
    return size === undefined ? all : all.subarray(0, size);
  }

  #entries(directory: Buffer): Map<string, { cluster: number; size: number; isDirectory: boolean }> {
    const entries = new Map<string, { cluster: number; size: number; isDirectory: boolean }>();
    for (let at = 0; at + 32 <= directory.length; at += 32) {
      const [first, attributes] = [directory.readUInt8(at), directory.readUInt8(at + 11)];
      if (first === 0) break;
      // Deleted, or a part of a long name, or the label.
      if (first === 0xe5 || (attributes & 0x0f) === 0x0f || attributes & 0x08) continue;
      const name = directory.toString('latin1', at, at + 8).trimEnd();
      const extension = directory.toString('latin1', at + 8, at + 11).trimEnd();
      entries.set(extension === '' ? name : `${name}.${extension}`, {
        cluster: directory.readUInt16LE(at + 26) + (this.#wide ? directory.readUInt16LE(at + 20) * 65536 : 0),
        size: directory.readUInt32LE(at + 28),
        isDirectory: (attributes & 0x10) !== 0,
      });
    }
    return entries;
  }

  /**
   * The content of a file; `undefined` where there is none.
   * @throws FatError where the way to it is broken
   */
  readFile(path: string): Buffer | undefined {
    let directory = this.#root
      ? Buffer.from(this.disk.read(this.#root.offset, this.#root.size))
      : this.#chain(this.#rootCluster);
    const names = path.toUpperCase().split('/').filter(Boolean);
    for (const [index, name] of names.entries()) {
      const entry = this.#entries(directory).get(name);
      if (!entry) return undefined;
      const last = index === names.length - 1;
      if (last !== !entry.isDirectory) return undefined;
      if (last) return entry.size === 0 ? Buffer.alloc(0) : this.#chain(entry.cluster, entry.size);
      directory = this.#chain(entry.cluster);
    }
    return undefined;
  }
}
