import { join } from 'node:path';
import type { ImageManifest } from '@kairos/facts/image-manifest';
import { formatSize } from '@kairos/facts/size';
import { slotFiles } from '@kairos/facts/slot';
import type { Host } from '@kairos/host/host';
import { type Build, timed } from './build-run.ts';
import { stepOf } from './build-step.ts';
import { chooseFilesystem, makeFilesystem } from './filesystem.ts';
import { seededHex, seededUuid } from './identity.ts';
import { type Kernel, kernelFeatures } from './kernel.ts';
import type { BuildPlan } from './plan.ts';
import { appendVerity } from './verity.ts';

export interface RootImage {
  readonly filesystem: ImageManifest['filesystem'];
  readonly verity: ImageManifest['verity'];
  readonly path: string;
}

/**
 * Makes the root file system of a slot, its verity tree appended.
 * @param seed what identifiers and salt are derived from, so that a build can be repeated
 * @param epoch seconds since 1970 that later times are set to
 */
export async function makeRootImage(
  build: Build,
  plan: BuildPlan,
  kernel: Kernel,
  seed: string,
  epoch: number,
): Promise<RootImage> {
  const { host, tree, work, options } = build;
  const wished = stepOf(plan, 'root-image');
  const signal = options.signal === undefined ? {} : { signal: options.signal };
  const filesystem = chooseFilesystem(kernel, kernelFeatures(tree, kernel), wished?.type);
  const path = join(work, slotFiles.root);
  if (filesystem === 'ext4') {
    const late = ['find', tree.root, '-newermt', `@${epoch}`] as const;
    await host.run([...late, '-exec', 'touch', '--no-dereference', `--date=@${epoch}`, '{}', '+'], signal);
  }
  const size = await timed(build, 'filesystem', `Making the root file system (${filesystem})`, async () =>
    makeFilesystem(host, tree.root, path, {
      type: filesystem,
      compression: wished?.compression ?? 'best',
      kernelVersion: kernel.version,
      epoch,
      uuid: seededUuid(seed, 'file system'),
      ...(filesystem === 'ext4' ? { contentSize: contentSize(host, tree.root) } : {}),
      ...signal,
    }),
  );
  const verity = await timed(build, 'verity', `Hashing ${formatSize(size)} with dm-verity`, () =>
    appendVerity(host, path, size, {
      salt: seededHex(seed, 'verity salt'),
      uuid: seededUuid(seed, 'verity'),
      ...signal,
    }),
  );
  return { filesystem, verity, path };
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
