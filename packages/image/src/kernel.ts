import { KairosError } from '@kairos/facts/errors';
import type { RootTree } from '@kairos/host/root-tree';

/** A kernel of a root with what belongs to it. */
export interface Kernel {
  /** As in `/lib/modules`. */
  readonly version: string;
  /** Path of the kernel image inside the root. */
  readonly image: string;
  /** Path of its configuration inside the root, where the distribution ships it. */
  readonly config: string | undefined;
}

/** Compares versions as `sort -V` does: numbers by value, the rest by code unit. */
export function compareVersions(a: string, b: string): number {
  const split = (text: string) => text.match(/\d+|\D+/g) ?? [];
  const [left, right] = [split(a), split(b)];
  for (let index = 0; index < Math.max(left.length, right.length); index++) {
    const x = left[index] ?? '';
    const y = right[index] ?? '';
    if (x === y) continue;
    if (/^\d/.test(x) && /^\d/.test(y)) {
      const difference = Number(x) - Number(y);
      if (difference !== 0) return difference;
      continue;
    }
    return x < y ? -1 : 1;
  }
  return 0;
}

/** Where distributions keep the image of a kernel, nearest to the version first. `<k>` is the version. */
const imagePlaces = [
  '/boot/vmlinuz-<k>',
  '/boot/Image-<k>',
  '/boot/vmlinux-<k>',
  '/lib/modules/<k>/vmlinuz',
  '/lib/modules/<k>/Image',
  '/lib/modules/<k>/vmlinux',
];
const configPlaces = ['/boot/config-<k>', '/lib/modules/<k>/config', '/usr/lib/kernel/config-<k>'];
/** Kernel images without a version in their name. They count where the root has one kernel only, or names its flavor. */
const plainImages = ['/boot/vmlinuz', '/boot/Image', '/boot/bzImage', '/boot/zImage', '/boot/uImage'];

/** Versions in `/lib/modules` that have modules, newest first. */
export function moduleVersions(tree: RootTree): string[] {
  return tree
    .list('/lib/modules')
    .filter((name) => tree.isDirectory(`/lib/modules/${name}`))
    .filter((name) => tree.list(`/lib/modules/${name}`).some((file) => /^(modules\.|kernel$)/.test(file)))
    .sort((a, b) => compareVersions(b, a));
}

/** A file of no length is what an interrupted installation leaves, and nothing to boot. */
const isImage = (tree: RootTree, path: string) => {
  const status = tree.status(path);
  return status?.kind === 'file' && status.size > 0;
};

function imageOf(tree: RootTree, version: string, only: boolean): string | undefined {
  for (const place of imagePlaces) {
    const path = place.replace('<k>', version);
    if (isImage(tree, path)) return path;
  }
  // Alpine: /boot/vmlinuz-lts for 6.12.1-0-lts; Arch: /boot/vmlinuz-linux for 6.12.1-arch1-1, -linux-lts for 6.12.1-1-lts.
  const flavor = /-([a-z][a-z0-9]*)$/.exec(version)?.[1];
  if (flavor !== undefined) {
    for (const name of [`vmlinuz-${flavor}`, `vmlinuz-linux-${flavor}`]) {
      if (isImage(tree, `/boot/${name}`)) return `/boot/${name}`;
    }
  }
  if (!only) return undefined;
  if (isImage(tree, '/boot/vmlinuz-linux')) return '/boot/vmlinuz-linux';
  return plainImages.find((path) => isImage(tree, path));
}

/** Kernels that have both an image and modules, newest first. */
export function findKernels(tree: RootTree): Kernel[] {
  const versions = moduleVersions(tree);
  return versions.flatMap((version) => {
    const image = imageOf(tree, version, versions.length === 1);
    if (image === undefined) return [];
    const config = configPlaces
      .map((place) => place.replace('<k>', version))
      .find((path) => tree.isFile(path));
    return [{ version, image, config }];
  });
}

/** Kernel images in `/boot`, whether or not their modules are there. */
export function kernelImages(tree: RootTree): string[] {
  return tree
    .list('/boot')
    .filter(
      (name) => /^(uImage|Image|zImage|vmlinuz|vmlinux|bzImage|image)/.test(name) && !name.endsWith('.old'),
    )
    .map((name) => `/boot/${name}`)
    .filter((path) => isImage(tree, path));
}

/**
 * The kernel that the image boots: the newest with modules.
 * @throws KairosError `KERNEL_MISSING`, `KERNEL_WITHOUT_MODULES`
 */
export function selectKernel(tree: RootTree, from: string): Kernel {
  const [kernel] = findKernels(tree);
  if (kernel !== undefined) return kernel;
  const images = kernelImages(tree);
  const versions = moduleVersions(tree);
  if (images.length > 0) {
    throw new KairosError(
      'KERNEL_WITHOUT_MODULES',
      `${from} has ${images.join(', ')} and no modules for it in /lib/modules${versions.length > 0 ? ` (there: ${versions.join(', ')})` : ''}`,
      { exit: 'unsuitableImage', hint: 'Install the kernel package whole, with its modules.' },
    );
  }
  throw new KairosError(
    'KERNEL_MISSING',
    versions.length > 0
      ? `${from} has modules for ${versions.join(', ')} and no kernel image in /boot or /lib/modules`
      : `${from} has no kernel: nothing like vmlinuz in /boot, and nothing in /lib/modules`,
    {
      exit: 'unsuitableImage',
      hint: 'Install the distribution\'s kernel package, or list the component "kernel" with a flavor that names it.',
    },
  );
}

/** What a kernel can do, from its configuration and its modules. */
export interface KernelFeatures {
  /** Is the option `y` or `m`? `undefined` where there is no configuration to tell. */
  option(name: string): 'y' | 'm' | 'n' | undefined;
  /** Is a module there, or built in? Names with `-` and `_` are the same. */
  hasModule(name: string): boolean;
}

const moduleKey = (path: string) =>
  (path.split('/').at(-1) ?? path).replace(/\.ko(\.(xz|zst|gz))?$/, '').replaceAll('-', '_');

export function kernelFeatures(tree: RootTree, kernel: Kernel): KernelFeatures {
  const options = new Map<string, string>();
  const config = kernel.config === undefined ? undefined : tree.readText(kernel.config);
  for (const match of (config ?? '').matchAll(/^CONFIG_(\w+)=([ym])$/gm)) {
    options.set(match[1] as string, match[2] as string);
  }
  const modules = new Set<string>();
  const directory = `/lib/modules/${kernel.version}`;
  for (const line of (tree.readText(`${directory}/modules.builtin`) ?? '').split('\n')) {
    if (line) modules.add(moduleKey(line));
  }
  for (const line of (tree.readText(`${directory}/modules.dep`) ?? '').split('\n')) {
    const path = line.split(':')[0];
    if (path) modules.add(moduleKey(path));
  }
  return {
    option: (name) => (config === undefined ? undefined : ((options.get(name) ?? 'n') as 'y' | 'm' | 'n')),
    hasModule: (name) => modules.has(name.replaceAll('-', '_')),
  };
}

/** True where a feature is compiled in or there as a module, by whichever of configuration and modules can tell. */
export function hasFeature(features: KernelFeatures, option: string, module: string): boolean {
  const configured = features.option(option);
  if (configured === 'y') return true;
  return features.hasModule(module);
}
