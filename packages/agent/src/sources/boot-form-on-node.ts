import { realpathSync, statSync } from 'node:fs';
import { dirname } from 'node:path/posix';
import type { Architecture } from '@kairos/facts/architecture';
import { KairosError } from '@kairos/facts/errors';
import { formatSize, MiB } from '@kairos/facts/size';
import { copyTree } from '@kairos/host/copy-tree';
import type { Host } from '@kairos/host/host';
import { remakeBootForm } from '@kairos/image/remake-boot-form';
import { openWork, type WorkDirectory } from '@kairos/image/work-directory';
import type { BootForm } from '@kairos/oci/boot-form';
import { bootFormFromDirectory } from '@kairos/oci/boot-form-directory';
import { type ContainerImage, unpackImage } from '@kairos/oci/container-image';
import { sha256Of } from '@kairos/oci/digest';
import type { ReportProgress } from '../progress.ts';
import { treeSize } from '../slots/view.ts';
import { keepLayers, layersFolder } from './kept-layers.ts';
import { makePrivate } from './private-place.ts';

export interface OnNodeRequest {
  readonly shown: string;
  readonly architecture: Architecture;
  readonly root:
    | { readonly kind: 'layers'; readonly image: ContainerImage }
    /** A directory with a root, or a file with a file system that holds one. */
    | { readonly kind: 'path'; readonly path: string };
  readonly report: ReportProgress;
  readonly signal?: AbortSignal;
  /** Directories that may be used, the first with room is; default: {@link workPlaces}. */
  readonly places?: readonly string[];
}

/** Where there may be room for a whole root: what `KAIROS_WORK` names, the persistent partition, the temporary directory. */
export function workPlaces(env: Readonly<Record<string, string | undefined>> = process.env): string[] {
  return [...(env.KAIROS_WORK ? [env.KAIROS_WORK] : []), '/usr/local/.kairos-work', '/var/tmp/kairos-work'];
}

/** Programs without which nothing can be made, by the package that usually has them. */
const tools: readonly (readonly [names: readonly string[], packages: string])[] = [
  [['mkfs.erofs', 'mksquashfs'], 'erofs-utils'],
  [['veritysetup'], 'cryptsetup-bin'],
  [['tar'], 'tar'],
];

function checkTools(host: Host, shown: string): void {
  const missing = tools.filter(([names]) => names.every((name) => host.which(name) === undefined));
  if (missing.length === 0) return;
  throw new KairosError(
    'TOOL_MISSING',
    `${shown} has no boot form, and to make it here ${missing.map(([names]) => names.join(' or ')).join(', ')} ${
      missing.length === 1 ? 'is' : 'are'
    } missing`,
    {
      exit: 'missingTool',
      hint: `Name an image that kairos build image made, or add ${missing.map(([, name]) => name).join(', ')} to the image of this node`,
    },
  );
}

/** How much larger a root is than its compressed layers, at most, usually. */
const expansion = 3.5;

/** Bytes that unpacking and packing need: the layers, the root, and an image of at most its size. */
async function neededFor(host: Host, { root }: OnNodeRequest): Promise<number> {
  if (root.kind === 'layers') {
    const unpacked = root.image.manifest.layers.reduce(
      (sum, { size, mediaType }) => sum + size * (/gzip|zstd/.test(mediaType) ? expansion : 1),
      0,
    );
    const fetched = root.image.manifest.layers.reduce((sum, { size }) => sum + size, 0);
    return Math.ceil(unpacked * 1.6 + fetched) + 64 * MiB;
  }
  const path = realPath(host, root.path);
  const status = statSync(path);
  if (status.isFile()) return Math.ceil(status.size * (expansion + 1)) + 64 * MiB;
  const { stdout } = await host.run(['du', '--summarize', '--bytes', '--one-file-system', path], {
    okCodes: [0, 1],
  });
  return Math.ceil(Number(/^\d+/.exec(stdout)?.[0] ?? 0) * 1.6) + 64 * MiB;
}

/** Without symbolic links: what is named may be one, and is what it leads to. */
function realPath(host: Host, path: string): string {
  return realpathSync(host.files.real(path));
}

/** The nearest directory above that is there. */
function existing(host: Host, path: string): string {
  return host.files.exists(path) || path === '/' ? path : existing(host, dirname(path));
}

/** @throws KairosError `NO_SPACE` */
function choosePlace(host: Host, request: OnNodeRequest, needed: number): string {
  const { root } = request;
  const from = root.kind === 'path' ? realPath(host, root.path) : undefined;
  const source = from === undefined ? undefined : statSync(from);
  const places = (request.places ?? workPlaces()).map((path) => {
    const real = realPath(host, existing(host, path));
    // A root that is copied must not hold its own copy; what is on another file system is not copied.
    const inside =
      source?.isDirectory() === true &&
      statSync(real).dev === source.dev &&
      `${real}/`.startsWith(`${from}`.replace(/\/*$/, '/'));
    // What an earlier run has fetched is counted in what is needed.
    return { path, inside, free: host.freeSpace(real) + treeSize(host.files, `${path}/${layersFolder}`) };
  });
  const usable = places.filter(({ inside }) => !inside);
  const found = usable.find(({ free }) => free >= needed);
  if (found !== undefined) return found.path;
  throw new KairosError(
    'NO_SPACE',
    `${request.shown} has no boot form, and to make it here needs ${formatSize(needed)}: ${
      usable.length === 0
        ? 'every place for it is in the root itself'
        : usable.map(({ path, free }) => `${path} has ${formatSize(free)}`).join(', ')
    }`,
    {
      exit: 'noSpace',
      hint: 'Name a directory with room by the environment variable KAIROS_WORK, or an image with a boot form (kairos build image)',
      details: { needed, places: usable },
    },
  );
}

async function copyRoot(
  host: Host,
  request: OnNodeRequest,
  { work, place }: { readonly work: WorkDirectory; readonly place: string },
  root: string,
): Promise<string> {
  const signal = request.signal === undefined ? {} : { signal: request.signal };
  if (request.root.kind === 'layers') {
    const { image } = request.root;
    const kept = keepLayers(host, image.content, image.manifest.layers, place, {
      ...signal,
      onProgress: (done, total) =>
        request.report({ step: 'download', message: `fetching layers of ${request.shown}`, done, total }),
    });
    try {
      await unpackImage({ ...image, content: kept.content }, root, {
        devices: 'skip',
        ...signal,
        onProgress: (layer, layers) =>
          request.report({
            step: 'unpack',
            message: `unpacking layer ${Math.min(layer + 1, layers)} of ${layers}`,
            done: layer,
            total: layers,
          }),
      });
    } catch (error) {
      kept.end(error);
      throw error;
    }
    kept.end();
    const { digest } = image.descriptor;
    return digest.startsWith('sha256:') ? digest : sha256Of(digest);
  }
  const { path } = request.root;
  request.report({ step: 'unpack', message: `copying the root from ${path}` });
  const copy = (from: string) => copyTree(host, from, root, request.signal);
  const real = realPath(host, path);
  if (!statSync(real).isFile()) await copy(real);
  else {
    const target = `${work.path}/mount`;
    host.files.makeDirectory(target);
    await host.run(['mount', '-o', 'ro,loop,nodev,nosuid', real, target], signal);
    try {
      await copy(target);
    } finally {
      host.unmount(target);
    }
  }
  return sha256Of(path);
}

/**
 * Makes the boot form of an image that has none, from its layers or its root, in a directory of its own, which goes with
 * `remove`. Slower than a copy by minutes, and the same bytes for the same root.
 * @throws KairosError `TOOL_MISSING`, `NO_SPACE`, `WORK_NOT_PRIVATE` before anything is written, and those of unpacking and building
 */
export async function bootFormOnNode(
  host: Host,
  request: OnNodeRequest,
): Promise<{ readonly image: BootForm; remove(): void }> {
  const { shown, report } = request;
  checkTools(host, shown);
  const place = choosePlace(host, request, await neededFor(host, request));
  // Who names a directory answers for it.
  if (place !== process.env.KAIROS_WORK) makePrivate(host, place);
  const work = openWork(host, place);
  try {
    const path = (name: string) => `${work.path}/${name}`;
    for (const name of ['root', 'bootloader-work']) host.files.makeDirectory(path(name));
    const inputs = await copyRoot(host, request, { work, place }, host.files.real(path('root')));
    const real = host.files.real(work.path);
    await remakeBootForm(host, {
      root: `${real}/root`,
      work: path('bootloader-work'),
      output: path('slot'),
      from: shown,
      ...{ inputs, architecture: request.architecture },
      ...(request.signal === undefined ? {} : { signal: request.signal }),
      onProgress: (step, message) => report({ step, message }),
    });
    host.files.remove(path('root'));
    return { image: bootFormFromDirectory(`${real}/slot`, shown), remove: () => work.remove() };
  } catch (error) {
    work.remove();
    throw error;
  }
}
