import { KairosError } from '@kairos/facts/errors';
import type { Verity } from '@kairos/facts/image-manifest';
import type { Host } from '@kairos/host/host';

/** Bytes of a data block and of a hash block. */
export const verityBlockSize = 4096;

export interface VerityOptions {
  /** Hexadecimal. The same salt and data give the same tree. */
  readonly salt: string;
  /** UUID of the verity superblock. */
  readonly uuid: string;
  readonly signal?: AbortSignal;
}

/** Reads the root hash off what `veritysetup format` prints. */
export function rootHashOf(output: string): string {
  const hash = /^Root hash:\s*([0-9a-f]{64})\s*$/m.exec(output)?.[1];
  if (hash === undefined) {
    throw new KairosError(
      'VERITY_OUTPUT',
      `veritysetup printed no root hash: ${output.trim().slice(0, 200)}`,
      {
        exit: 'toolFailed',
      },
    );
  }
  return hash;
}

/**
 * Appends a dm-verity superblock and hash tree to an image whose size is a multiple of 4096 bytes. Behind the data
 * stands one block with the superblock, then the tree (kernel documentation, admin-guide/device-mapper/verity).
 * @param size Bytes of the image now.
 * @throws KairosError `VERITY_SIZE`, `VERITY_OUTPUT`, `TOOL_FAILED`, `TOOL_MISSING`
 */
export async function appendVerity(
  host: Host,
  path: string,
  size: number,
  options: VerityOptions,
): Promise<Verity> {
  if (size === 0 || size % verityBlockSize !== 0) {
    throw new KairosError(
      'VERITY_SIZE',
      `${path} has ${size} bytes, which is not a positive multiple of ${verityBlockSize}`,
    );
  }
  const dataBlocks = size / verityBlockSize;
  const { stdout } = await host.run(
    [
      'veritysetup',
      'format',
      path,
      path,
      `--hash-offset=${size}`,
      `--data-blocks=${dataBlocks}`,
      `--data-block-size=${verityBlockSize}`,
      `--hash-block-size=${verityBlockSize}`,
      '--hash=sha256',
      `--salt=${options.salt === '' ? '-' : options.salt}`,
      `--uuid=${options.uuid}`,
    ],
    options.signal === undefined ? {} : { signal: options.signal },
  );
  return {
    rootHash: rootHashOf(stdout),
    salt: options.salt,
    algorithm: 'sha256',
    blockSize: verityBlockSize,
    dataBlocks,
    hashStartBlock: dataBlocks + 1,
  };
}
