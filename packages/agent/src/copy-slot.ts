import { dirname } from 'node:path';
import { KairosError } from '@kairos/facts/errors';
import type { ImageManifest } from '@kairos/facts/image-manifest';
import { formatSize } from '@kairos/facts/size';
import { slotFiles } from '@kairos/facts/slot';
import type { HostFiles } from '@kairos/host/host';
import { digestOnDisk, readStream, writeStream } from '@kairos/host/streams';

/** Something with the files of a slot: the image, or a slot on a disk. */
export interface SlotSource {
  readonly source: string;
  readonly manifest: ImageManifest;
  readonly files: ReadonlyMap<string, number>;
  open(file: string): AsyncIterable<Uint8Array>;
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
}

/**
 * Copies a slot into a directory, file after file, with bounded memory. Each file is synced and read back from the
 * disk; `image.json` comes last, so that a directory that has it is complete.
 * @throws KairosError `SLOT_DIFFERS`, `NO_SPACE`, `INTERRUPTED`, and what the source throws
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
    const path = `${directory}/${name}`;
    const written = await writeStream(files, path, source.open(name), options);
    const expected = source.manifest.files[name]?.digest ?? written.digest;
    if (written.digest !== expected) {
      files.remove(path);
      throw differs(`${name} of ${source.source}`, 'is not what image.json says', written.digest, expected);
    }
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
  files.sync(directory);
  // The names of the slot and of its parent are in directories of their own.
  files.sync(dirname(directory));
  files.sync(dirname(dirname(directory)));
}
