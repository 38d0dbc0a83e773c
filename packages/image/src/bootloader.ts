import { join } from 'node:path/posix';
import { type Architecture, architectureNames, hostArchitecture } from '@kairos/facts/architecture';
import { KairosError } from '@kairos/facts/errors';
import { labels } from '@kairos/facts/labels';
import type { Host } from '@kairos/host/host';
import { RootTree } from '@kairos/host/root-tree';
import { systemFile } from './system-data.ts';

/** Modules that a GRUB of ours carries in itself, so that it needs no directory of modules beside it. */
const commonModules = [
  'normal',
  'configfile',
  'part_gpt',
  'part_msdos',
  'ext2',
  'fat',
  'iso9660',
  'udf',
  'search',
  'search_label',
  'search_fs_file',
  'search_fs_uuid',
  'loadenv',
  'test',
  'true',
  'regexp',
  'echo',
  'linux',
  'serial',
  'terminal',
  'gzio',
  'all_video',
  'chain',
  'loopback',
  'reboot',
  'halt',
  'sleep',
  'minicmd',
  'ls',
  'cat',
  'help',
  'probe',
] as const;
const biosModules = [...commonModules, 'biosdisk', 'vbe', 'cpuid'] as const;
const efiModules = [...commonModules, 'efi_gop', 'efifwsetup', 'lsefi', 'fdt'] as const;

/** Directories of GRUB's modules, by distribution. `<target>` is `i386-pc` or the EFI platform. */
const moduleDirectories = ['/usr/lib/grub/<target>', '/usr/lib/grub2/<target>', '/usr/share/grub2/<target>'];

/** Signed loaders; `<s>` is `x64`, `aa64`; `<v>` a vendor directory; `<target>` the EFI platform of GRUB. */
const shimPlaces = [
  '/usr/lib/shim/shim<s>.efi.dualsigned',
  '/usr/lib/shim/shim<s>.efi.signed.latest',
  '/usr/lib/shim/shim<s>.efi.signed',
  '/usr/share/efi/<uname>/shim.efi',
  '/boot/efi/EFI/<v>/shim<s>.efi',
];
const signedGrubPlaces = [
  '/usr/lib/grub/<target>-signed/grub<s>.efi.signed',
  '/usr/share/efi/<uname>/grub.efi',
  '/boot/efi/EFI/<v>/grub<s>.efi',
];
const mokManagerPlaces = [
  '/usr/lib/shim/mm<s>.efi.signed',
  '/usr/lib/shim/mm<s>.efi',
  '/usr/share/efi/<uname>/MokManager.efi',
  '/boot/efi/EFI/<v>/mm<s>.efi',
];
const vendors = ['fedora', 'rocky', 'almalinux', 'centos', 'redhat', 'opensuse'];

function firstFile(
  tree: RootTree,
  places: readonly string[],
  architecture: Architecture,
): string | undefined {
  const { efiSuffix, grubEfi, uname } = architectureNames[architecture];
  for (const place of places) {
    const path = place
      .replaceAll('<s>', efiSuffix)
      .replaceAll('<target>', grubEfi)
      .replaceAll('<uname>', uname);
    const candidates = path.includes('<v>') ? vendors.map((vendor) => path.replace('<v>', vendor)) : [path];
    const found = candidates.find((candidate) => tree.isFile(candidate));
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Loaders with a signature that a firmware's keys lead to; paths inside the root. */
export interface SignedLoaders {
  readonly shim: string;
  readonly grub: string;
  readonly mokManager: string | undefined;
}

/** What a root offers for booting with GRUB. */
export interface GrubOffer {
  /** Directory with the modules for BIOS, where the architecture has BIOS and the root has them. */
  readonly bios: string | undefined;
  readonly signed: SignedLoaders | undefined;
  /** Directory with the modules for EFI, of which a GRUB without signature is made. */
  readonly efi: string | undefined;
}

export function grubOffer(tree: RootTree, architecture: Architecture): GrubOffer {
  const modules = (target: string, file: string) =>
    moduleDirectories
      .map((directory) => directory.replace('<target>', target))
      .find((directory) => tree.isFile(`${directory}/${file}`));
  const shim = firstFile(tree, shimPlaces, architecture);
  const grub = firstFile(tree, signedGrubPlaces, architecture);
  return {
    bios: architecture === 'amd64' ? modules('i386-pc', 'boot.img') : undefined,
    signed:
      shim === undefined || grub === undefined
        ? undefined
        : { shim, grub, mokManager: firstFile(tree, mokManagerPlaces, architecture) },
    efi: modules(architectureNames[architecture].grubEfi, 'normal.mod'),
  };
}

/** The vendor directory in which a signed GRUB looks for its configuration: it is written in the program. */
export function vendorOf(grub: Uint8Array): string | undefined {
  const text = Buffer.from(grub.buffer, grub.byteOffset, grub.byteLength).toString('latin1');
  return /\/EFI\/([a-z][a-z0-9._-]{0,31})\0/.exec(text)?.[1];
}

/** Commands by which a core image goes on to the menu of its medium. */
/**
 * For GRUB's first parser, which knows no conditions and goes on after a line that failed: a menu that is found does
 * not come back.
 */
function embeddedConfig(partitionLabels: readonly string[], directory: string): string {
  return partitionLabels
    .map(
      (label) => `search --no-floppy --label ${label} --set=root
set prefix=($root)${directory}
configfile ($root)${directory}/grub.cfg
`,
    )
    .join('');
}

interface MakeImage {
  readonly format: string;
  readonly prefix: string;
  readonly config: string | undefined;
  readonly modules: readonly string[];
  /** Directory of the modules inside the root. */
  readonly directory: string;
  readonly output: string;
}

/**
 * Runs grub-mkimage: the root's own in the root, since it belongs to the modules there; the machine's where the root
 * has none or cannot be run here.
 */
async function makeImage(
  host: Host,
  tree: RootTree,
  image: MakeImage,
  work: string,
  architecture: Architecture,
  signal: AbortSignal | undefined,
): Promise<void> {
  const own = ['/usr/bin/grub-mkimage', '/usr/bin/grub2-mkimage'].find((path) => tree.isExecutable(path));
  const inRoot = own !== undefined && host.uid === 0 && architecture === hostArchitecture();
  const present = image.modules.filter((name) => tree.isFile(`${image.directory}/${name}.mod`));
  const argumentsFor = (directory: string, config: string, output: string): string[] => [
    '-O',
    image.format,
    '-d',
    directory,
    '-p',
    image.prefix,
    ...(image.config === undefined ? [] : ['-c', config]),
    '-o',
    output,
    ...present,
  ];
  const options = signal === undefined ? {} : { signal };
  if (inRoot) {
    const [config, output] = ['/tmp/.grub-embedded.cfg', '/tmp/.grub-core.img'];
    tree.makeDirectory('/tmp', 0o1777);
    if (image.config !== undefined) tree.write(config, image.config);
    try {
      await host.run([own, ...argumentsFor(image.directory, config, output)], {
        ...options,
        chroot: tree.root,
      });
      await host.run(['cp', tree.real(output), image.output], options);
    } finally {
      tree.remove(config);
      tree.remove(output);
    }
    return;
  }
  const program = ['grub-mkimage', 'grub2-mkimage'].find((name) => host.which(name) !== undefined);
  if (program === undefined) {
    throw new KairosError('TOOL_MISSING', 'Neither the root nor this machine has grub-mkimage', {
      exit: 'missingTool',
      hint: 'Install grub-common here, or add it to the packages of the image.',
    });
  }
  const config = join(work, 'embedded.cfg');
  if (image.config !== undefined) host.files.write(config, image.config);
  await host.run([program, ...argumentsFor(tree.real(image.directory), config, image.output)], options);
}

export interface BootloaderPayloadOptions {
  readonly architecture: Architecture;
  /** Directory for work, empty. */
  readonly work: string;
  readonly output: string;
  /** Seconds since 1970 for the times in the archive. */
  readonly epoch: number;
  readonly signal?: AbortSignal;
}

export interface BootloaderPayload {
  readonly bios: boolean;
  readonly efi: 'signed' | 'unsigned' | undefined;
}

/**
 * Makes `bootloader.tar`: GRUB for BIOS (for a disk and for an ISO) and for EFI (signed, behind shim, where the root
 * has both), and the menus. GRUB's modules are inside, so nothing else of it is needed on a disk.
 * @throws KairosError `BOOTLOADER_MISSING`, `TOOL_MISSING`, `TOOL_FAILED`
 */
export async function makeBootloaderPayload(
  host: Host,
  tree: RootTree,
  options: BootloaderPayloadOptions,
): Promise<BootloaderPayload> {
  const { architecture, work } = options;
  const offer = grubOffer(tree, architecture);
  const { efiSuffix, grubEfi } = architectureNames[architecture];
  if (offer.bios === undefined && offer.signed === undefined && offer.efi === undefined) {
    throw new KairosError(
      'BOOTLOADER_MISSING',
      'The root has no GRUB: neither modules in /usr/lib/grub nor a signed loader for EFI',
      {
        exit: 'unsuitableImage',
        hint: 'Add the component "grub", or the packages of GRUB, to the definition.',
      },
    );
  }
  const staging = new RootTree(join(work, 'bootloader'));
  host.files.makeDirectory(staging.root);
  const make = (image: MakeImage) => makeImage(host, tree, image, work, architecture, options.signal);
  if (offer.bios !== undefined) {
    staging.makeDirectory('/bios');
    for (const name of ['boot.img', 'boot_hybrid.img']) {
      staging.copyIn(tree.real(`${offer.bios}/${name}`), `/bios/${name}`);
    }
    await make({
      format: 'i386-pc',
      prefix: '/grub2',
      // The menu on recovery is for a node whose COS_STATE is lost.
      config: embeddedConfig([labels.state, labels.recovery], '/grub2'),
      modules: biosModules,
      directory: offer.bios,
      output: join(staging.root, 'bios/core.img'),
    });
    await make({
      format: 'i386-pc-eltorito',
      prefix: '/boot/grub2',
      config: embeddedConfig([labels.live], '/boot/grub2'),
      modules: biosModules,
      directory: offer.bios,
      output: join(staging.root, 'bios/eltorito.img'),
    });
  }
  let efi: BootloaderPayload['efi'];
  if (offer.signed !== undefined) {
    efi = 'signed';
    staging.copyIn(tree.real(offer.signed.shim), `/efi/boot${efiSuffix}.efi`);
    staging.copyIn(tree.real(offer.signed.grub), `/efi/grub${efiSuffix}.efi`);
    if (offer.signed.mokManager !== undefined) {
      staging.copyIn(tree.real(offer.signed.mokManager), `/efi/mm${efiSuffix}.efi`);
    }
    const vendor = vendorOf(tree.readBytes(offer.signed.grub) ?? new Uint8Array());
    if (vendor !== undefined) staging.write('/efi/vendor', `${vendor}\n`);
  } else if (offer.efi !== undefined) {
    efi = 'unsigned';
    staging.makeDirectory('/efi');
    await make({
      format: grubEfi,
      prefix: '/EFI/BOOT',
      config: undefined,
      modules: efiModules,
      directory: offer.efi,
      output: join(staging.root, `efi/boot${efiSuffix}.efi`),
    });
  }
  staging.write('/grub.cfg', systemFile('grub/grub.cfg'));
  staging.write('/grub-live.cfg', systemFile('grub/grub-live.cfg'));
  await host.run([
    'tar',
    '--create',
    `--file=${options.output}`,
    '--format=ustar',
    '--sort=name',
    '--owner=0',
    '--group=0',
    '--numeric-owner',
    '--mode=u=rwX,go=rX',
    `--mtime=@${options.epoch}`,
    `--directory=${staging.root}`,
    ...staging.list('/'),
  ]);
  return { bios: offer.bios !== undefined, efi };
}
