import type { RootTree } from '@kairos/host/root-tree';
import {
  findKernels,
  hasFeature,
  type Kernel,
  type KernelFeatures,
  kernelFeatures,
  kernelImages,
  moduleVersions,
} from '../kernel.ts';
import { type Finding, failed, ok, warning } from './finding.ts';

/** The kernel is there, with modules of the same version. */
function checkPresence(tree: RootTree): { finding: Finding; kernel: Kernel | undefined } {
  const kernels = findKernels(tree);
  const [kernel] = kernels;
  if (kernel !== undefined) {
    const others = kernels.slice(1).map(({ version }) => version);
    return {
      kernel,
      finding:
        others.length === 0
          ? ok('kernel', `Kernel ${kernel.version} (${kernel.image}) with its modules`)
          : warning(
              'kernel',
              `Kernels ${[kernel.version, ...others].join(', ')}: the image boots ${kernel.version}`,
              'Remove the packages of the others: each takes its place in every slot.',
            ),
    };
  }
  const images = kernelImages(tree);
  const versions = moduleVersions(tree);
  const found =
    images.length > 0 && versions.length > 0
      ? `Kernel images (${images.join(', ')}) and modules (${versions.join(', ')}) are of different versions`
      : images.length > 0
        ? `There is ${images.join(', ')} and nothing in /lib/modules`
        : versions.length > 0
          ? `There are modules for ${versions.join(', ')} and no kernel image in /boot or /lib/modules`
          : 'There is no kernel, neither in /boot nor in /lib/modules';
  return {
    kernel: undefined,
    finding: failed('kernel', found, 'Install the kernel package of the distribution, with its modules.'),
  };
}

interface Wanted {
  readonly id: string;
  readonly what: string;
  readonly option: string;
  readonly module: string;
  /** Whether an image can do without. */
  readonly optional?: true;
}

const wanted: readonly Wanted[] = [
  { id: 'overlay', what: 'overlayfs, for what can be written', option: 'OVERLAY_FS', module: 'overlay' },
  { id: 'dm-verity', what: 'dm-verity, which guards the root', option: 'DM_VERITY', module: 'dm-verity' },
  {
    id: 'dm-crypt',
    what: 'dm-crypt, for encrypted partitions',
    option: 'DM_CRYPT',
    module: 'dm-crypt',
    optional: true,
  },
  { id: 'loop', what: 'loop devices', option: 'BLK_DEV_LOOP', module: 'loop' },
  { id: 'ext4', what: 'ext4, for the other partitions', option: 'EXT4_FS', module: 'ext4' },
  {
    id: 'vfat',
    what: 'vfat, for the EFI system partition',
    option: 'VFAT_FS',
    module: 'vfat',
    optional: true,
  },
];

function checkRootFilesystem(kernel: Kernel, features: KernelFeatures): Finding {
  const readable = (
    [
      ['erofs', 'EROFS_FS'],
      ['squashfs', 'SQUASHFS'],
    ] as const
  ).filter(([module, option]) => hasFeature(features, option, module));
  const [best] = readable;
  if (best?.[0] === 'erofs') return ok('root-filesystem', `Kernel ${kernel.version} reads erofs`);
  if (best !== undefined) {
    return warning(
      'root-filesystem',
      `Kernel ${kernel.version} reads squashfs and not erofs`,
      'It works; erofs reads faster. A newer kernel of the distribution may have CONFIG_EROFS_FS.',
    );
  }
  return hasFeature(features, 'EXT4_FS', 'ext4')
    ? warning(
        'root-filesystem',
        `Kernel ${kernel.version} reads neither erofs nor squashfs`,
        'The root will be ext4, without compression. Take a kernel with CONFIG_EROFS_FS or CONFIG_SQUASHFS.',
      )
    : failed(
        'root-filesystem',
        `Kernel ${kernel.version} reads none of erofs, squashfs, ext4`,
        'Take a kernel with CONFIG_EROFS_FS, CONFIG_SQUASHFS or CONFIG_EXT4_FS.',
      );
}

/** The magic number of Linux on EFI: a kernel with an EFI stub is a PE/COFF program, which begins with `MZ`. */
function checkEfiStub(tree: RootTree, kernel: Kernel, features: KernelFeatures, efi: boolean): Finding {
  const configured = features.option('EFI_STUB');
  const bytes = tree.readBytes(kernel.image);
  const hasStub =
    configured === 'y' || (configured === undefined && bytes?.[0] === 0x4d && bytes[1] === 0x5a);
  if (hasStub) return ok('efi-stub', `Kernel ${kernel.version} has an EFI stub`);
  const message = `Kernel ${kernel.version} has no EFI stub (CONFIG_EFI_STUB)`;
  return efi
    ? failed('efi-stub', message, 'Take a kernel with CONFIG_EFI_STUB, or build without EFI.')
    : warning('efi-stub', message, 'It boots on BIOS only.');
}

export function checkKernel(tree: RootTree, options: { readonly efi: boolean }): Finding[] {
  const { finding, kernel } = checkPresence(tree);
  if (kernel === undefined) return [finding];
  const features = kernelFeatures(tree, kernel);
  return [
    finding,
    tree.isFile(`/lib/modules/${kernel.version}/modules.dep`)
      ? ok('modules', `modules.dep of ${kernel.version} is there`)
      : failed(
          'modules',
          `/lib/modules/${kernel.version} has no modules.dep`,
          `Run depmod ${kernel.version} in the root.`,
        ),
    checkRootFilesystem(kernel, features),
    ...wanted.map(({ id, what, option, module, optional }) => {
      if (hasFeature(features, option, module)) return ok(id, `The kernel has ${what}`);
      const message = `The kernel has no ${what}`;
      const hint = `Take a kernel with CONFIG_${option}, or install the package with its module ${module}.`;
      return optional ? warning(id, message, hint) : failed(id, message, hint);
    }),
    checkEfiStub(tree, kernel, features, options.efi),
  ];
}
