import { z } from 'zod';
import { architectures } from './architecture.ts';

const sha256 = z.string().regex(/^sha256:[0-9a-f]{64}$/, 'expected sha256: and 64 hexadecimal digits');
const hex = z.string().regex(/^[0-9a-f]*$/);
const size = z.int().nonnegative();

/** dm-verity parameters of a root image (kernel documentation, admin-guide/device-mapper/verity). */
export const veritySchema = z.object({
  /** Hash of the root of the tree, hexadecimal. */
  rootHash: hex.length(64),
  /** Salt, hexadecimal; may be empty. */
  salt: hex.max(512),
  algorithm: z.literal('sha256'),
  /** Bytes of a data block and of a hash block. */
  blockSize: z.literal(4096),
  /** Number of data blocks; the file system fills them exactly. */
  dataBlocks: z.int().positive(),
  /** Block at which the tree begins in the same file, behind the verity superblock. */
  hashStartBlock: z.int().positive(),
});
export type Verity = z.infer<typeof veritySchema>;

/** The contents of `image.json`. */
export const imageManifestSchema = z.object({
  schemaVersion: z.literal(1),
  /** `kairos-<variant>-<flavor>-<release>`. */
  name: z.string().min(1),
  version: z.string().min(1),
  architecture: z.enum(architectures),
  flavor: z.string().min(1),
  flavorRelease: z.string(),
  variant: z.enum(['core', 'standard']),
  model: z.string().min(1),
  /** Version of the kernel, as in `/lib/modules`. */
  kernel: z.string().min(1),
  init: z.enum(['systemd', 'sysvinit', 'openrc']),
  filesystem: z.enum(['erofs', 'squashfs', 'ext4']),
  verity: veritySchema,
  /** Every other file of the slot with its size in bytes and digest. */
  files: z.record(z.string(), z.object({ size, digest: sha256 })),
  provenance: z.object({
    base: z.string(),
    /** Digest of the definition and all that it names. */
    inputs: sha256,
    builder: z.string(),
    /** Seconds since 1970, from `SOURCE_DATE_EPOCH`. */
    epoch: z.int().nonnegative(),
  }),
});
export type ImageManifest = z.infer<typeof imageManifestSchema>;

/**
 * The kernel argument by which the initrd opens the root image with dm-verity:
 * `kairos.verity=<root hash>:<salt or ->:<data blocks>:<hash start block>`.
 */
export function verityArgument(verity: Verity): string {
  return `kairos.verity=${verity.rootHash}:${verity.salt || '-'}:${verity.dataBlocks}:${verity.hashStartBlock}`;
}
