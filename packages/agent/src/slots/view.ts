import { createHash } from 'node:crypto';
import { type ImageManifest, imageManifestSchema } from '@kairos/facts/image-manifest';
import { slotFiles } from '@kairos/facts/slot';
import type { HostFiles } from '@kairos/host/host';
import { digestOnDisk, type StreamOptions } from '@kairos/host/streams';
import { readableText } from '../read-record.ts';

/** A directory of a slot as it is found. */
export interface SlotView {
  /** Digest of `image.json`, which names the digests of all other files. */
  readonly digest: string;
  readonly manifest: ImageManifest;
  /** Every file is there in its size. Whether the bytes are right, {@link damageOf} says. */
  readonly whole: boolean;
}

/** Digest of `image.json` as it stands in {@link SlotView.digest}. */
export function manifestDigest(bytes: Uint8Array | string): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** Reads a slot by its `image.json`; `undefined` where there is none that can be read. */
export function readSlot(files: HostFiles, directory: string): SlotView | undefined {
  const text = readableText(files, `${directory}/${slotFiles.manifest}`);
  if (text === undefined) return undefined;
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined;
  }
  const manifest = imageManifestSchema.safeParse(parsed);
  if (!manifest.success) return undefined;
  const wanted = Object.entries(manifest.data.files);
  const needed = Object.values(slotFiles).filter((name) => name !== slotFiles.manifest);
  const whole =
    needed.every((name) => name in manifest.data.files) &&
    wanted.every(([name, { size }]) => files.status(`${directory}/${name}`)?.size === size);
  return { digest: manifestDigest(text), manifest: manifest.data, whole };
}

/** What is wrong with a slot, every byte read from its disk; `undefined` where nothing is. */
export async function damageOf(
  files: HostFiles,
  directory: string,
  options: StreamOptions = {},
): Promise<string | undefined> {
  const slot = readSlot(files, directory);
  if (!slot) return `${directory} has no ${slotFiles.manifest} that can be read`;
  if (!slot.whole) return `files are missing in ${directory} or have another size`;
  for (const [name, { digest }] of Object.entries(slot.manifest.files)) {
    let found: string;
    try {
      found = (await digestOnDisk(files, `${directory}/${name}`, options)).digest;
    } catch (error) {
      if (options.signal?.aborted) throw error;
      return `${directory}/${name} cannot be read`;
    }
    if (found !== digest) return `${directory}/${name} has the digest ${found} instead of ${digest}`;
  }
  return undefined;
}

/** Bytes of all files in a directory, those in directories below it included. */
export function treeSize(files: HostFiles, path: string): number {
  const status = files.status(path);
  if (status?.kind !== 'directory') return status?.size ?? 0;
  return files.list(path).reduce((sum, name) => sum + treeSize(files, `${path}/${name}`), 0);
}
