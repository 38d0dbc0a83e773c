import { join } from 'node:path';
import { mediaTypes } from '@kairos/facts/media-types';
import type { Host } from '@kairos/host/host';
import type { RootTree } from '@kairos/host/root-tree';
import type { Descriptor } from '@kairos/oci/descriptor';
import type { LayoutWriter } from '@kairos/oci/layout-writer';

export interface ContainerLayer {
  readonly descriptor: Descriptor;
  /** Digest of the tar stream before compression. */
  readonly diffId: string;
  readonly createdBy: string;
}

/** Options by which tar writes the same bytes for the same tree. */
function tarOptions(root: string, epoch: number): string[] {
  return [
    '--create',
    '--format=pax',
    '--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime',
    '--sort=name',
    '--numeric-owner',
    '--xattrs',
    '--xattrs-include=security.capability',
    '--xattrs-include=user.*',
    `--mtime=@${epoch}`,
    '--clamp-mtime',
    '--no-recursion',
    '--verbatim-files-from',
    '--null',
    `--directory=${root}`,
  ];
}

/** Every path of a tree relative to it, parents first, in the order of code units. Links are not followed. */
function allPaths(host: Host, root: string): string[] {
  const paths: string[] = [];
  const visit = (relative: string) => {
    for (const name of host.files.list(join(root, relative))) {
      const path = relative === '' ? name : `${relative}/${name}`;
      paths.push(path);
      if (host.files.status(join(root, path))?.kind === 'directory') visit(path);
    }
  };
  visit('');
  return paths;
}

/**
 * The layers of the container form: what the distribution brought, and what this build laid in. The first is the
 * same for every image of one base, so that registries keep it once.
 */
export async function makeContainerLayers(
  host: Host,
  tree: RootTree,
  layout: LayoutWriter,
  options: { readonly work: string; readonly epoch: number; readonly signal?: AbortSignal },
): Promise<ContainerLayer[]> {
  const paths = allPaths(host, tree.root);
  const laid = (path: string) => tree.written.has(`/${path}`);
  const parts = [
    { name: 'base', paths: paths.filter((path) => !laid(path)), createdBy: 'root of the distribution' },
    { name: 'system', paths: paths.filter(laid), createdBy: 'kairos build image' },
  ];
  const signal = options.signal === undefined ? {} : { signal: options.signal };
  const layers: ContainerLayer[] = [];
  for (const part of parts) {
    const list = join(options.work, `${part.name}.list`);
    const tar = join(options.work, `${part.name}.tar`);
    host.files.write(list, part.paths.map((path) => `${path}\0`).join(''));
    await host.run(
      ['tar', ...tarOptions(tree.root, options.epoch), `--file=${tar}`, `--files-from=${list}`],
      signal,
    );
    const { stdout } = await host.run(['sha256sum', tar], signal);
    const diffId = `sha256:${stdout.slice(0, 64)}`;
    // The number of threads is part of what decides about the bytes, so it does not depend on the machine.
    await host.run(['zstd', '-q', '-3', '-T2', '--rm', tar, '-o', `${tar}.zst`], signal);
    layers.push({
      descriptor: await layout.putFile(`${tar}.zst`, mediaTypes.layerZstd, {}, { move: true }),
      diffId,
      createdBy: part.createdBy,
    });
    host.files.remove(list);
  }
  return layers;
}
