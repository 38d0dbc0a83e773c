import { join } from 'node:path';
import type { ImageManifest } from '@kairos/facts/image-manifest';
import { formatSize } from '@kairos/facts/size';
import type { Host } from '@kairos/host/host';
import type { RootTree } from '@kairos/host/root-tree';
import { type FilesystemChoice, makeFilesystem } from './filesystem.ts';
import { seededHex, seededUuid } from './identity.ts';
import { appendVerity } from './verity.ts';

export interface RootImageRequest extends FilesystemChoice {
  readonly kernelVersion: string;
  /** What identifiers and salt are derived from, so that it can be repeated. */
  readonly seed: string;
  /** Seconds since 1970 that later times are set to. */
  readonly epoch: number;
  /** Path that the image gets. */
  readonly output: string;
  readonly signal?: AbortSignal;
  /** Tells of a step, and does it. */
  step<T>(name: 'filesystem' | 'verity', message: string, action: () => Promise<T>): Promise<T>;
}

/**
 * Makes the root file system of a slot, its verity tree appended. The same tree and request give the same bytes.
 * @throws KairosError `TOOL_MISSING`, `TOOL_FAILED`, `VERITY_*`
 */
export async function makeRootImage(
  host: Host,
  tree: RootTree,
  request: RootImageRequest,
): Promise<ImageManifest['verity']> {
  const { type, compression, kernelVersion, seed, epoch, output } = request;
  const signal = request.signal === undefined ? {} : { signal: request.signal };
  if (type === 'ext4') {
    const late = ['find', tree.root, '-newermt', `@${epoch}`] as const;
    await host.run([...late, '-exec', 'touch', '--no-dereference', `--date=@${epoch}`, '{}', '+'], signal);
  }
  const size = await request.step('filesystem', `making the root file system (${type})`, async () =>
    makeFilesystem(host, tree.root, output, {
      ...{ type, compression, kernelVersion, epoch },
      uuid: seededUuid(seed, 'file system'),
      ...(type === 'ext4' ? { contentSize: contentSize(host, tree.root) } : {}),
      ...signal,
    }),
  );
  return request.step('verity', `hashing ${formatSize(size)} with dm-verity`, () =>
    appendVerity(host, output, size, {
      salt: seededHex(seed, 'verity salt'),
      uuid: seededUuid(seed, 'verity'),
      ...signal,
    }),
  );
}

/** Bytes that the content of a tree takes in blocks, by sizes alone: what a file system here has allocated may change. */
function contentSize(host: Host, directory: string): number {
  let size = 0;
  for (const name of host.files.list(directory)) {
    const path = join(directory, name);
    const status = host.files.status(path);
    size += 4096 + Math.ceil((status?.kind === 'file' ? status.size : 0) / 4096) * 4096;
    if (status?.kind === 'directory') size += contentSize(host, path);
  }
  return size;
}
