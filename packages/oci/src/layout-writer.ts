import { createHash, randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { isSystemError, KairosError } from '@kairos/facts/errors';
import { annotations as annotationNames, mediaTypes } from '@kairos/facts/media-types';
import { isAlive } from '@kairos/host/is-alive';
import { exchangeCall } from '@kairos/host/system-calls';
import { canonicalJson } from './canonical-json.ts';
import type { Descriptor } from './descriptor.ts';
import { sha256Of } from './digest.ts';
import { readFileStream, writeFully } from './file-stream.ts';
import { blobPath, isLayout } from './layout.ts';

type Annotations = Readonly<Record<string, string>>;

/**
 * Writes an image layout in a directory beside the final one. Nothing is visible under the final name until
 * {@link LayoutWriter.writeIndex}; the bytes depend on what is put alone.
 */
export interface LayoutWriter {
  /** Stores bytes as a blob. A blob that is there already is not written again. */
  putBlob(bytes: Uint8Array, mediaType: string, annotations?: Annotations): Descriptor;
  /** Stores canonical JSON: manifests, indexes, configurations. */
  putJson(value: unknown, mediaType: string, annotations?: Annotations): Descriptor;
  /** Stores a stream of any length in bounded memory. */
  putStream(
    stream: AsyncIterable<Uint8Array>,
    mediaType: string,
    annotations?: Annotations,
  ): Promise<Descriptor>;
  /**
   * Stores a file: shares its blocks where the file system can, copies where not, takes the file itself with `move`.
   * The blob is never a hard link, so that a later change of the file does not reach it.
   */
  putFile(
    path: string,
    mediaType: string,
    annotations?: Annotations,
    options?: { readonly move?: boolean },
  ): Promise<Descriptor>;
  /** Writes `index.json`, syncs everything and gives the layout its final name, replacing a layout that was there. */
  writeIndex(descriptors: readonly Descriptor[], annotations?: Annotations): void;
  /** Removes what was written; after `writeIndex` it does nothing. */
  abort(): void;
}

/** Removes what writers of the same layout left behind that did not live to their end. */
function removeLeftovers(path: string): void {
  const prefix = `.${basename(path)}.`;
  for (const name of readdirSync(dirname(path))) {
    const match = name.startsWith(prefix) ? /^(\d+)-[0-9a-f]{8}\.tmp$/.exec(name.slice(prefix.length)) : null;
    if (match?.[1] !== undefined && !isAlive(Number(match[1]))) {
      rmSync(join(dirname(path), name), { recursive: true, force: true });
    }
  }
}

function syncPath(path: string): void {
  const file = openSync(path, 'r');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function syncTree(path: string): void {
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    if (entry.isDirectory()) syncTree(join(path, entry.name));
    else syncPath(join(path, entry.name));
  }
  syncPath(path);
}

/** Whether a directory may be replaced: it is empty, or a layout and nothing else, which would go with it. */
function isReplaceable(path: string): boolean {
  const names = readdirSync(path);
  return (
    names.length === 0 ||
    (isLayout(path) && names.every((name) => ['blobs', 'index.json', 'oci-layout'].includes(name)))
  );
}

/** Gives `from` the name `to`; a layout that is there is swapped out in one step and removed. */
function publish(from: string, to: string): void {
  if (!existsSync(to)) {
    renameSync(from, to);
  } else if (readdirSync(to).length === 0) {
    renameSync(from, to);
  } else {
    try {
      exchangeCall(from, to);
    } catch (error) {
      if (!(error instanceof KairosError)) throw error;
      // A file system that cannot exchange (NFS, some FUSE): the old one steps aside first.
      const aside = `${from}.old.tmp`;
      renameSync(to, aside);
      renameSync(from, to);
      renameSync(aside, from);
    }
    rmSync(from, { recursive: true, force: true });
  }
  syncPath(dirname(to));
}

/**
 * Begins a layout that will be at `path`.
 * @throws KairosError `LAYOUT_IN_THE_WAY` when there is something at `path` that is neither a layout nor an empty directory
 */
export function createLayout(path: string): LayoutWriter {
  const target = resolve(path);
  const present = lstatSync(target, { throwIfNoEntry: false });
  if (present && !(present.isDirectory() && isReplaceable(target))) {
    throw new KairosError(
      'LAYOUT_IN_THE_WAY',
      `Cannot write an image layout to ${path}: something else is there`,
      { exit: 'invalidInput', hint: 'Name another directory, or remove this one if it is not needed.' },
    );
  }
  mkdirSync(dirname(target), { recursive: true });
  removeLeftovers(target);
  const folder = join(
    dirname(target),
    `.${basename(target)}.${process.pid}-${randomBytes(4).toString('hex')}.tmp`,
  );
  mkdirSync(join(folder, 'blobs/sha256'), { recursive: true });
  let done = false;
  let counter = 0;

  const describe = (digest: string, size: number, mediaType: string, notes?: Annotations): Descriptor => ({
    mediaType,
    digest,
    size,
    ...(notes === undefined || Object.keys(notes).length === 0 ? {} : { annotations: notes }),
  });
  const incoming = () => join(folder, `incoming-${counter++}`);
  const store = (temporary: string, digest: string) => {
    chmodSync(temporary, 0o644);
    renameSync(temporary, join(folder, blobPath(digest)));
  };

  async function putStream(stream: AsyncIterable<Uint8Array>, mediaType: string, notes?: Annotations) {
    const temporary = incoming();
    const hash = createHash('sha256');
    let size = 0;
    const handle = await open(temporary, 'wx', 0o644);
    try {
      for await (const chunk of stream) {
        hash.update(chunk);
        await writeFully(handle, chunk, size);
        size += chunk.length;
      }
    } finally {
      await handle.close();
    }
    const digest = `sha256:${hash.digest('hex')}`;
    store(temporary, digest);
    return describe(digest, size, mediaType, notes);
  }

  function putBlob(bytes: Uint8Array, mediaType: string, notes?: Annotations): Descriptor {
    const digest = sha256Of(bytes);
    if (!existsSync(join(folder, blobPath(digest)))) {
      const temporary = incoming();
      writeFileSync(temporary, bytes);
      store(temporary, digest);
    }
    return describe(digest, bytes.length, mediaType, notes);
  }

  /** A copy that shares the blocks of the original, or the original itself; `undefined` where neither can be had. */
  function cheapCopy(path: string, move: boolean): string | undefined {
    const temporary = incoming();
    try {
      if (move) renameSync(path, temporary);
      else copyFileSync(path, temporary, constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL);
      return temporary;
    } catch (error) {
      rmSync(temporary, { force: true });
      if (isSystemError(error, 'ENOENT', 'EACCES', 'EISDIR')) throw error;
      return undefined;
    }
  }

  return {
    putBlob,
    putJson: (value, mediaType, notes) => putBlob(Buffer.from(canonicalJson(value)), mediaType, notes),
    putStream,
    async putFile(path, mediaType, notes, options = {}) {
      const copy = cheapCopy(path, options.move ?? false);
      if (copy === undefined) {
        const descriptor = await putStream(readFileStream(path), mediaType, notes);
        if (options.move) rmSync(path);
        return descriptor;
      }
      const hash = createHash('sha256');
      let size = 0;
      for await (const chunk of readFileStream(copy)) {
        hash.update(chunk);
        size += chunk.length;
      }
      const digest = `sha256:${hash.digest('hex')}`;
      store(copy, digest);
      return describe(digest, size, mediaType, notes);
    },
    writeIndex(descriptors, notes = {}) {
      if (done) throw new KairosError('LAYOUT_WRITTEN', `The image layout ${path} is written already`);
      const index = {
        schemaVersion: 2,
        mediaType: mediaTypes.index,
        manifests: descriptors,
        ...(Object.keys(notes).length === 0 ? {} : { annotations: notes }),
      };
      writeFileSync(join(folder, 'oci-layout'), canonicalJson({ imageLayoutVersion: '1.0.0' }));
      writeFileSync(join(folder, 'index.json'), canonicalJson(index));
      syncTree(folder);
      publish(folder, target);
      done = true;
    },
    abort() {
      if (done) return;
      done = true;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A descriptor's annotation that names it within a layout, for tools that ask for a reference by name. */
export function named(descriptor: Descriptor, name: string): Descriptor {
  return { ...descriptor, annotations: { ...descriptor.annotations, [annotationNames.refName]: name } };
}
