import { statSync } from 'node:fs';
import { join } from 'node:path';
import { isSystemError, KairosError } from '@kairos/facts/errors';
import { mediaTypes } from '@kairos/facts/media-types';
import { slotFiles } from '@kairos/facts/slot';
import { readOrdinary } from '@kairos/host/ordinary-file';
import type { BootForm } from './boot-form.ts';
import { parseSlotManifest } from './boot-form-manifest.ts';
import type { Descriptor } from './descriptor.ts';
import { sha256Of, verified } from './digest.ts';
import { readFileStream } from './file-stream.ts';
import { maximumDocument } from './manifest.ts';

/**
 * The boot form in a plain directory with the files of a slot, such as the slot of a live medium or of this machine.
 * Every file is checked against `image.json` as it is read.
 * @param name How the user named it, for messages; the path by default.
 * @throws KairosError `NO_BOOT_FORM`, `IMAGE_MANIFEST_INVALID`, `BLOB_MISSING`, `BLOB_TRUNCATED`, `FILE_NOT_ORDINARY`,
 *   `FILE_TOO_LARGE`
 */
export function bootFormFromDirectory(path: string, name = path): BootForm {
  let bytes: Uint8Array;
  try {
    bytes = readOrdinary(join(path, slotFiles.manifest), maximumDocument, { exit: 'corruptSource' });
  } catch (error) {
    if (!isSystemError(error, 'ENOENT', 'ENOTDIR')) throw error;
    throw new KairosError('NO_BOOT_FORM', `No slot of an OS image in ${name}: no ${slotFiles.manifest}`, {
      exit: 'notFound',
      cause: error,
    });
  }
  const manifest = parseSlotManifest(bytes, name);
  const files = new Map<string, number>([[slotFiles.manifest, bytes.length]]);
  for (const [file, { size }] of Object.entries(manifest.files)) {
    const found = statSync(join(path, file), { throwIfNoEntry: false });
    if (!found?.isFile()) {
      throw new KairosError('BLOB_MISSING', `${name} does not hold ${file}, which its image.json names`, {
        exit: 'corruptSource',
      });
    }
    if (found.size !== size) {
      throw new KairosError(
        'BLOB_TRUNCATED',
        `${file} in ${name} has ${found.size} bytes instead of ${size}`,
        { exit: 'corruptSource', details: { file, size: found.size, expected: size } },
      );
    }
    files.set(file, size);
  }
  const digest = sha256Of(bytes);
  return {
    source: name,
    digest,
    manifest,
    files,
    path: (file) => (files.has(file) ? join(path, file) : undefined),
    async *open(file) {
      if (file === slotFiles.manifest) {
        yield bytes;
        return;
      }
      const entry = manifest.files[file];
      if (entry === undefined) {
        throw new KairosError('BLOB_MISSING', `${name} has no file ${file}`, { exit: 'corruptSource' });
      }
      const descriptor: Descriptor = { mediaType: mediaTypes.bootFile, ...entry };
      yield* verified(readFileStream(join(path, file)), descriptor, `${name} (${file})`);
    },
    openFrom: (file, offset) => readFileStream(join(path, file), offset),
  };
}
