import { dirname } from 'node:path';
import { KairosError, reasonOf } from '@kairos/facts/errors';
import type { ImageManifest } from '@kairos/facts/image-manifest';
import { formatSize } from '@kairos/facts/size';
import { slotFiles } from '@kairos/facts/slot';
import { faultPoint } from '@kairos/host/fault-point';
import type { HostFiles } from '@kairos/host/host';
import { digestOnDisk, readStream, writeStream } from '@kairos/host/streams';
import { writeVerified } from '@kairos/host/verified-write';

/** Something with the files of a slot: the image, or a slot on a disk. */
export interface SlotSource {
  readonly source: string;
  readonly manifest: ImageManifest;
  readonly files: ReadonlyMap<string, number>;
  open(file: string): AsyncIterable<Uint8Array>;
  /** The bytes of a file from an offset on, not checked; without it, a file is read from its beginning. */
  openFrom?(file: string, offset: number): AsyncIterable<Uint8Array>;
}

/** A slot in a directory of this machine, with the files of `like`. */
export function slotInDirectory(files: HostFiles, directory: string, like: SlotSource): SlotSource {
  return {
    source: directory,
    manifest: like.manifest,
    files: like.files,
    open: (file) => readStream(files, `${directory}/${file}`),
  };
}

function differs(path: string, what: string, got: string, expected: string): KairosError {
  return new KairosError('SLOT_DIFFERS', `${path} ${what}: its digest is ${got} and should be ${expected}`, {
    exit: 'corruptSource',
    hint: 'Nothing was made bootable from it; check the disk and the source, then run again',
    details: { path, got, expected },
  });
}

export interface CopyOptions {
  readonly signal?: AbortSignal;
  /** Bytes written or read back since the last call; each byte of the slot comes twice. */
  readonly onBytes?: (count: number) => void;
  /** Files that are in the directory already, read and right: an interrupted copy goes on behind them. */
  readonly present?: readonly string[];
  /** Files of this machine that should hold what files of the slot do, by their name in the slot. */
  readonly local?: Readonly<Record<string, string>>;
  /** Told where a local file turned out to be another one, and the source was asked after all. */
  readonly warn?: (message: string) => void;
}

/** The bytes of a stream behind the first `offset`. */
async function* skipping(stream: AsyncIterable<Uint8Array>, offset: number): AsyncGenerator<Uint8Array> {
  let skip = offset;
  for await (const chunk of stream) {
    if (skip < chunk.length) yield skip === 0 ? chunk : chunk.subarray(skip);
    skip = Math.max(0, skip - chunk.length);
  }
}

/** A file whose digest no document names: `image.json`, which names all others. */
async function copyUnnamed(
  files: HostFiles,
  source: SlotSource,
  name: string,
  path: string,
  options: CopyOptions,
): Promise<void> {
  const written = await writeStream(files, path, source.open(name), options);
  const size = source.files.get(name);
  if (written.size !== size) {
    files.remove(path);
    throw new KairosError(
      'SLOT_DIFFERS',
      `${name} of ${source.source} gave ${formatSize(written.size)} instead of ${formatSize(size ?? 0)}`,
      { exit: 'corruptSource', details: { file: name, got: written.size, expected: size } },
    );
  }
  const back = await digestOnDisk(files, path, options);
  if (back.digest !== written.digest) {
    throw differs(path, 'does not read back as written', back.digest, written.digest);
  }
}

async function copyNamed(
  files: HostFiles,
  source: SlotSource,
  name: string,
  path: string,
  given: CopyOptions,
): Promise<void> {
  const options = { ...given, unsynced: true };
  const expected = source.manifest.files[name];
  if (expected === undefined) return copyUnnamed(files, source, name, path, options);
  const refuse = (from: string) => (found: { readonly digest: string }) =>
    differs(`${name} of ${from}`, 'is not what image.json says', found.digest, expected.digest);
  const local = options.local?.[name];
  if (local !== undefined) {
    try {
      const here = (offset: number) => skipping(readStream(files, local), offset);
      await writeVerified(files, path, expected, here, refuse(local), options);
      return;
    } catch (error) {
      const ours = error instanceof KairosError && error.code !== 'SLOT_DIFFERS';
      if (ours || options.signal?.aborted) throw error;
      options.warn?.(`${local} cannot be used for ${name}, which is fetched instead: ${reasonOf(error)}`);
    }
  }
  const openFrom = (offset: number) => source.openFrom?.(name, offset) ?? skipping(source.open(name), offset);
  await writeVerified(files, path, expected, openFrom, refuse(source.source), options);
}

/**
 * Brings what is in front of `image.json` to the disk, which says that all of it is there. At once for all files: each of
 * them alone would be a commit of the file system's journal and a flush of the disk, twice.
 */
function syncFiles(files: HostFiles, directory: string, names: readonly string[]): void {
  for (const name of names) if (name !== slotFiles.manifest) files.sync(`${directory}/${name}`);
  files.sync(directory);
}

/**
 * Copies a slot into a directory, file after file, with bounded memory. Each file is hashed and read back from the
 * disk while it comes; `image.json` is last, when all others are synced, so that a directory that has it is complete. What an interrupted
 * copy left of a file is continued.
 * @throws KairosError `SLOT_DIFFERS`, `READ_BACK_DIFFERS`, `NO_SPACE`, `INTERRUPTED`, and what the source throws
 */
export async function copySlot(
  files: HostFiles,
  source: SlotSource,
  directory: string,
  options: CopyOptions = {},
): Promise<void> {
  const names = [...source.files.keys()].sort(
    (a, b) => Number(a === slotFiles.manifest) - Number(b === slotFiles.manifest) || (a < b ? -1 : 1),
  );
  files.makeDirectory(directory);
  for (const name of names) {
    if (options.present?.includes(name)) continue;
    faultPoint(`copy/${name}`);
    if (name === slotFiles.manifest) syncFiles(files, directory, names);
    await copyNamed(files, source, name, `${directory}/${name}`, options);
  }
  files.sync(directory);
  // The names of the slot and of its parent are in directories of their own.
  files.sync(dirname(directory));
  files.sync(dirname(dirname(directory)));
}
