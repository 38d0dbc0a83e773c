import { KairosError } from '@kairos/facts/errors';
import type { ImageManifest } from '@kairos/facts/image-manifest';
import type { Host } from '@kairos/host/host';
import { hasFeature, type Kernel, type KernelFeatures } from './kernel.ts';
import { verityBlockSize } from './verity.ts';

export type FilesystemType = ImageManifest['filesystem'];
export const filesystemTypes = ['erofs', 'squashfs', 'ext4'] as const satisfies readonly FilesystemType[];

/** `best`: smallest that the type offers; `fast`: twenty times quicker to make and about 6 % larger; `none`. */
export const compressions = ['best', 'fast', 'none'] as const;
export type Compression = (typeof compressions)[number];

export interface FilesystemChoice {
  readonly type: FilesystemType;
  readonly compression: Compression;
}

/** The kernel module and configuration option behind a file system. */
const kernelNames: Readonly<Record<FilesystemType, readonly [option: string, module: string]>> = {
  erofs: ['EROFS_FS', 'erofs'],
  squashfs: ['SQUASHFS', 'squashfs'],
  ext4: ['EXT4_FS', 'ext4'],
};

/** Large compressed clusters of erofs are read by Linux 5.13 and later. */
function hasLargeClusters(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map((part) => Number.parseInt(part, 10));
  return major > 5 || (major === 5 && minor >= 13);
}

/**
 * The file system of the root image: the wished one, else the first of erofs, squashfs, ext4 that the kernel reads.
 * @throws KairosError `FILESYSTEM_UNSUPPORTED`
 */
export function chooseFilesystem(
  kernel: Kernel,
  features: KernelFeatures,
  wished: FilesystemType | undefined,
): FilesystemType {
  const reads = (type: FilesystemType) => hasFeature(features, ...kernelNames[type]);
  const found = wished === undefined ? filesystemTypes.find(reads) : reads(wished) ? wished : undefined;
  if (found !== undefined) return found;
  const offers = filesystemTypes.filter(reads);
  throw new KairosError(
    'FILESYSTEM_UNSUPPORTED',
    wished === undefined
      ? `Kernel ${kernel.version} reads none of ${filesystemTypes.join(', ')}`
      : `Kernel ${kernel.version} cannot read ${wished}${offers.length > 0 ? `; it reads ${offers.join(', ')}` : ''}`,
    {
      exit: 'unsuitableImage',
      hint: 'Choose a kernel package that has the file system as module or built in.',
    },
  );
}

export interface MakeFilesystemOptions extends FilesystemChoice {
  readonly kernelVersion: string;
  /** Seconds since 1970: later times of files become this one, and the file system bears it. */
  readonly epoch: number;
  readonly uuid: string;
  /** Bytes of the files in the tree, for a file system that needs its size beforehand. */
  readonly contentSize?: number;
  readonly signal?: AbortSignal;
}

/** The program that makes the file system, with its arguments and environment. */
export function filesystemCommand(
  root: string,
  output: string,
  options: MakeFilesystemOptions,
): { argv: readonly [string, ...string[]]; env: Readonly<Record<string, string>> } {
  const { type, compression, uuid, epoch } = options;
  const env = { SOURCE_DATE_EPOCH: String(epoch) };
  if (type === 'erofs') {
    const cluster = hasLargeClusters(options.kernelVersion) ? ['-C65536'] : [];
    const compress = { best: ['-zlz4hc', ...cluster], fast: ['-zlz4', ...cluster], none: [] }[compression];
    return { argv: ['mkfs.erofs', '--quiet', ...compress, `-U${uuid}`, output, root], env };
  }
  if (type === 'squashfs') {
    const compress = {
      best: ['-comp', 'zstd', '-Xcompression-level', '15'],
      fast: ['-comp', 'zstd', '-Xcompression-level', '1'],
      none: ['-noI', '-noD', '-noF', '-noX'],
    }[compression];
    return {
      argv: ['mksquashfs', root, output, '-noappend', '-no-progress', '-quiet', '-xattrs', ...compress],
      env,
    };
  }
  // mke2fs stops rather than leave out a file, so room is given generously and cut away afterwards.
  const blocks = Math.ceil(((options.contentSize ?? 0) * 1.15) / verityBlockSize) + 16384;
  return {
    argv: [
      'mke2fs',
      '-q',
      '-b',
      String(verityBlockSize),
      '-m',
      '0',
      '-I',
      '256',
      // Named one by one, so that the machine's mke2fs.conf does not decide about the bytes. Without a journal.
      '-O',
      'none,filetype,extent,sparse_super,large_file,huge_file,dir_index,dir_nlink,extra_isize,ext_attr',
      '-U',
      uuid,
      '-E',
      `hash_seed=${uuid},lazy_itable_init=0,root_owner=0:0`,
      '-d',
      root,
      output,
      String(blocks),
    ],
    env: { ...env, E2FSPROGS_FAKE_TIME: String(epoch), MKE2FS_CONFIG: '/dev/null' },
  };
}

/**
 * Makes a read-only file system image of a tree and pads it to whole verity blocks. Gives its size in bytes.
 * @throws KairosError `TOOL_MISSING`, `TOOL_FAILED`
 */
export async function makeFilesystem(
  host: Host,
  root: string,
  output: string,
  options: MakeFilesystemOptions,
): Promise<number> {
  const { argv, env } = filesystemCommand(root, output, options);
  const signal = options.signal === undefined ? {} : { signal: options.signal };
  await host.run(argv, { env, ...signal });
  if (options.type === 'ext4') await shrinkExt4(host, output, options);
  const size = host.files.status(output)?.size ?? 0;
  const padded = Math.ceil(size / verityBlockSize) * verityBlockSize;
  if (padded !== size) await host.run(['truncate', `--size=${padded}`, output], signal);
  return padded;
}

/**
 * Cuts an ext4 image to its content. mke2fs copies times of access and change from the tree, which nobody can fix
 * there, so they are overwritten in the image, for the same tree to give the same bytes.
 */
async function shrinkExt4(host: Host, path: string, options: MakeFilesystemOptions): Promise<void> {
  const time = String(options.epoch);
  const env = { E2FSPROGS_FAKE_TIME: time, E2FSCK_TIME: time, SOURCE_DATE_EPOCH: time };
  const run = (argv: [string, ...string[]], okCodes = [0], input = '') =>
    host.run(argv, {
      env,
      okCodes,
      input,
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
  const { stdout } = await run(['dumpe2fs', '-h', path]);
  const field = (name: string) => Number(new RegExp(`^${name}:\\s*(\\d+)`, 'm').exec(stdout)?.[1] ?? 0);
  const used = field('Inode count') - field('Free inodes');
  const script: string[] = [];
  for (let inode = 1; inode <= used; inode++) {
    for (const time of ['atime', 'ctime', 'crtime']) script.push(`sif <${inode}> ${time} @${options.epoch}`);
    for (const time of ['atime_extra', 'ctime_extra', 'mtime_extra', 'crtime_extra']) {
      script.push(`sif <${inode}> ${time} 0`);
    }
  }
  await run(['debugfs', '-w', '-f', '-', path], [0], `${script.join('\n')}\n`);
  await run(['e2fsck', '-fy', path], [0, 1]);
  await run(['resize2fs', '-M', path]);
}
