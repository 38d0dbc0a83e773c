import type { ImageManifest } from '@kairos/facts/image-manifest';

/**
 * The boot form of an OS image: the files of a slot, wherever they are (a directory, an OCI layout, an archive, a
 * registry). Installing is copying them one after another.
 */
export interface BootForm {
  /** For messages: the source as the user named it. */
  readonly source: string;
  /** Digest of the OCI manifest of the boot form, or of `image.json` for a plain directory. */
  readonly digest: string;
  readonly manifest: ImageManifest;
  /** Size in bytes of each file of the slot, `image.json` among them. */
  readonly files: ReadonlyMap<string, number>;
  /**
   * The bytes of a file, checked against its digest: the last chunk is given only when the whole is right.
   * @throws KairosError `DIGEST_MISMATCH`, `BLOB_MISSING`, `BLOB_TRUNCATED`
   */
  open(file: string): AsyncIterable<Uint8Array>;
  /**
   * The bytes of a file from an offset on, not checked: for whoever continues a file and checks the whole. A registry
   * is asked for the rest only. A chunk is valid until the next one is asked for.
   */
  openFrom?(file: string, offset: number): AsyncIterable<Uint8Array>;
  /**
   * Where a file lies in the file system as a file of its own, for programs that read it in place. Its content is
   * not checked: read it once with {@link open}.
   */
  path?(file: string): string | undefined;
}
