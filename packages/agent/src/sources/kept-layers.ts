import { KairosError } from '@kairos/facts/errors';
import type { Host } from '@kairos/host/host';
import type { ContentSource } from '@kairos/oci/content';
import type { Descriptor } from '@kairos/oci/descriptor';
import { downloadBlob } from '@kairos/oci/download';
import { readFileStream } from '@kairos/oci/file-stream';
import { makePrivate } from './private-place.ts';

/** Where layers are kept, in a directory for work. */
export const layersFolder = 'layers';

const nameOf = ({ digest }: Descriptor) => digest.replace(':', '-');

/** Whether a source has its blobs far away; what lies here as a file need not be copied. */
function isRemote(content: ContentSource): boolean {
  return content.blobFrom !== undefined && content.blobFile === undefined;
}

export interface KeptLayers {
  /** The source, which gives its layers from files here. */
  readonly content: ContentSource;
  /** To be called when the layers are unpacked, or could not be. */
  end(error?: unknown): void;
}

/**
 * Fetches layers into files before they are unpacked, so that a run that is cut off, by whatever, is gone on with: an
 * unpacking cannot be taken up in the middle, a download can. Layers that are not of this image go first; all go at the
 * end, unless a next run can need them: after an interruption, and where the network failed.
 * @param place the directory for work, which the next run has to name again
 * @throws KairosError `WORK_NOT_PRIVATE`
 */
export function keepLayers(
  host: Host,
  content: ContentSource,
  layers: readonly Descriptor[],
  place: string,
  options: {
    readonly signal?: AbortSignal;
    /** Bytes of all layers that are here, and of all. */
    readonly onProgress?: (done: number, total: number) => void;
  } = {},
): KeptLayers {
  if (!isRemote(content)) return { content, end: () => undefined };
  const { files } = host;
  const folder = `${place}/${layersFolder}`;
  makePrivate(host, folder);
  const wanted = new Set(layers.map(nameOf));
  for (const name of files.list(folder)) {
    if (!wanted.has(name.replace(/\.partial$/, ''))) files.remove(`${folder}/${name}`);
  }
  const total = layers.reduce((sum, { size }) => sum + size, 0);
  let before = 0;
  return {
    content: {
      name: content.name,
      roots: () => content.roots(),
      document: (descriptor) => content.document(descriptor),
      async *blob(descriptor) {
        const path = files.real(`${folder}/${nameOf(descriptor)}`);
        await downloadBlob(content, descriptor, path, {
          ...(options.signal === undefined ? {} : { signal: options.signal }),
          onProgress: (bytes) => options.onProgress?.(before + bytes, total),
        });
        before += descriptor.size;
        yield* readFileStream(path);
      },
      close: () => content.close(),
    },
    end(error) {
      const goesOn =
        options.signal?.aborted ||
        (error instanceof KairosError && ['interrupted', 'network'].includes(error.exit));
      if (!goesOn) files.remove(folder);
    },
  };
}
