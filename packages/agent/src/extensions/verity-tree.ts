import { createHash } from 'node:crypto';
import { KairosError } from '@kairos/facts/errors';
import type { ImagePart, ReadPart } from './image.ts';

/*
 * dm-verity, format 1 (kernel documentation, admin-guide/device-mapper/verity; cryptsetup, lib/verity/verity.c): a
 * superblock, then the levels of the tree, the top one first. A node has no cryptsetup, and the kernel would say at the
 * first read of a bad block only, when the extension is in use.
 */

interface Superblock {
  readonly algorithm: string;
  readonly dataBlockSize: number;
  readonly hashBlockSize: number;
  readonly dataBlocks: number;
  readonly salt: Buffer;
}

const superblockSize = 512;
const maximumBlockSize = 64 * 1024;
const algorithms = ['sha256', 'sha512', 'sha1'] as const;

function invalid(name: string, reason: string): KairosError {
  return new KairosError('VERITY_INVALID', `The hash tree of ${name} is not usable: ${reason}`, {
    exit: 'corruptSource',
  });
}

function readSuperblock(read: ReadPart, part: ImagePart, name: string): Superblock {
  const block = read(part.offset, superblockSize);
  if (block.length < superblockSize || block.toString('latin1', 0, 8) !== 'verity\0\0') {
    throw invalid(name, 'it has no superblock');
  }
  const algorithm = block.toString('latin1', 32, 64).replace(/\0.*$/s, '');
  const dataBlockSize = block.readUInt32LE(64);
  const hashBlockSize = block.readUInt32LE(68);
  const saltSize = block.readUInt16LE(80);
  if (block.readUInt32LE(8) !== 1 || block.readUInt32LE(12) !== 1)
    throw invalid(name, 'its version is not 1');
  if (!(algorithms as readonly string[]).includes(algorithm)) {
    throw invalid(name, `${JSON.stringify(algorithm.slice(0, 20))} is no hash`);
  }
  for (const size of [dataBlockSize, hashBlockSize]) {
    if (size < 512 || size > maximumBlockSize || (size & (size - 1)) !== 0) {
      throw invalid(name, `${size} is no block size`);
    }
  }
  if (saltSize > 256) throw invalid(name, 'its salt is too long');
  const dataBlocks = Number(block.readBigUInt64LE(72));
  return {
    algorithm,
    dataBlockSize,
    hashBlockSize,
    dataBlocks,
    salt: Buffer.from(block.subarray(88, 88 + saltSize)),
  };
}

/**
 * Reads all of the data and computes the root hash that it has. A tree that is stored is checked with it, so that the
 * kernel will find it right too.
 * @returns hexadecimal
 * @throws KairosError `VERITY_INVALID`, `VERITY_MISMATCH`
 */
export function verityRootHash(read: ReadPart, data: ImagePart, tree: ImagePart, name: string): string {
  const { algorithm, dataBlockSize, hashBlockSize, dataBlocks, salt } = readSuperblock(read, tree, name);
  if (dataBlocks < 1 || dataBlocks * dataBlockSize > data.size) {
    throw invalid(name, `it is for ${dataBlocks} blocks, which the data does not have`);
  }
  const hash = (block: Uint8Array) => createHash(algorithm).update(salt).update(block).digest();
  const digestSize = hash(new Uint8Array()).length;
  /** Each hash takes a power of two of bytes. */
  const slot = 2 ** Math.ceil(Math.log2(digestSize));
  const perBlock = hashBlockSize / slot;
  const counts: number[] = [];
  for (let count = dataBlocks; count > 1; ) {
    count = Math.ceil(count / perBlock);
    counts.push(count);
  }
  // The levels lie from the top down, each in whole blocks.
  const starts: number[] = [];
  let at = tree.offset + Math.ceil(superblockSize / hashBlockSize) * hashBlockSize;
  for (let level = counts.length - 1; level >= 0; level--) {
    starts[level] = at;
    at += (counts[level] ?? 0) * hashBlockSize;
  }
  if (at > tree.offset + tree.size) throw invalid(name, 'it ends before its last level');

  let below = function* dataDigests(): Generator<Buffer> {
    for (let block = 0; block < dataBlocks; block++) {
      const bytes = read(data.offset + block * dataBlockSize, dataBlockSize);
      if (bytes.length !== dataBlockSize) throw invalid(name, 'the data ends early');
      yield hash(bytes);
    }
  };
  for (const [level, count] of counts.entries()) {
    const lower = below;
    below = function* levelDigests(): Generator<Buffer> {
      let block = Buffer.alloc(hashBlockSize);
      let filled = 0;
      let written = 0;
      const finish = (): Buffer => {
        const stored = read((starts[level] ?? 0) + written * hashBlockSize, hashBlockSize);
        if (!stored.equals(block)) {
          throw new KairosError(
            'VERITY_MISMATCH',
            `${name} is damaged: block ${written} of level ${level} of its hash tree does not fit the data`,
            { exit: 'corruptSource' },
          );
        }
        const digest = hash(block);
        block = Buffer.alloc(hashBlockSize);
        filled = 0;
        written++;
        return digest;
      };
      for (const digest of lower()) {
        digest.copy(block, filled * slot);
        filled++;
        if (filled === perBlock) yield finish();
      }
      if (filled > 0) yield finish();
      if (written !== count) throw invalid(name, 'its levels do not fit each other');
    };
  }
  const [root] = [...below()];
  if (root === undefined) throw invalid(name, 'it has no root');
  return root.toString('hex');
}
