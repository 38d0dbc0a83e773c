import { join } from 'node:path';
import { KairosError } from '@kairos/facts/errors';
import { MiB } from '@kairos/facts/size';
import type { Workshop } from './artifact.ts';
import { directoriesOf } from './fat.ts';

/**
 * Every feature is named, so that neither the defaults of the machine's mke2fs.conf nor those of its version decide:
 * all kernels from 4.4 on and GRUB from 2.02 on read these.
 */
const features = [
  ...[
    'none',
    'has_journal',
    'ext_attr',
    'resize_inode',
    'dir_index',
    'filetype',
    'extent',
    '64bit',
    'flex_bg',
  ],
  ...['sparse_super', 'large_file', 'huge_file', 'dir_nlink', 'extra_isize', 'metadata_csum'],
] as const;

/** Bytes to which a file system can be grown while it is in use. */
const growable = 2 * 1024 * 1024 * MiB;

export interface Ext4Layout {
  readonly label: string;
  readonly uuid: string;
  /** Bytes, a multiple of 1 MiB. */
  readonly size: number;
  /** Bytes into the device or file at which the file system begins. */
  readonly offset?: number;
  /** UUID that seeds the hashes of directories; random where not given. */
  readonly hashSeed?: string;
  /** Reserves room for the tables of a file system that is going to grow with its disk. */
  readonly grows?: boolean;
}

/** Arguments of `mke2fs` for an ext4 file system on `device`, which may be a file. */
export function mke2fsArguments(device: string, layout: Ext4Layout): [string, ...string[]] {
  const mebibytes = layout.size / MiB;
  const extended = [
    ...(layout.offset === undefined ? [] : [`offset=${layout.offset}`]),
    'root_owner=0:0',
    ...(layout.hashSeed === undefined ? [] : [`hash_seed=${layout.hashSeed}`]),
    // All is written here and now: a kernel that does it in the background wears the disk and differs each time.
    'lazy_itable_init=0',
    // A place in a new file is all zeros already; written again, they would be holes no more.
    `lazy_journal_init=${layout.offset === undefined ? 0 : 1}`,
    'nodiscard',
    ...(layout.grows ? [`resize=${growable / 4096}`] : []),
  ];
  // A journal of a size that also serves the grown file system, within reason for a small one.
  const journal = layout.grows ? 64 : Math.max(4, Math.min(64, Math.floor(mebibytes / 16)));
  return [
    'mke2fs',
    ...['-q', '-F', '-t', 'ext4', '-b', '4096', '-I', '256', '-i', '16384', '-m', '1'],
    ...['-J', `size=${journal}`, '-O', features.join(','), '-E', extended.join(',')],
    ...['-U', layout.uuid, '-L', layout.label, device, String(layout.size / 4096)],
  ];
}

export interface Ext4Request extends Ext4Layout {
  /** File in the workshop's folder. */
  readonly image: string;
  readonly offset: number;
  readonly hashSeed: string;
  /**
   * By absolute path in the file system: a name in the workshop's folder (a symbolic link is followed), size in bytes,
   * and mode. All belongs to root.
   */
  readonly files: ReadonlyMap<
    string,
    { readonly source: string; readonly size: number; readonly mode: number }
  >;
}

/** Names that need no quoting in debugfs. */
const plainPath = /^[\w./-]+$/;

/** Commands of debugfs that fill the file system. */
export function debugfsCommands(files: Ext4Request['files']): string {
  const lines: string[] = [];
  for (const directory of directoriesOf(files.keys())) lines.push(`mkdir ${directory}`);
  for (const [path, { source, mode }] of files) {
    if (!plainPath.test(path) || !plainPath.test(source)) {
      throw new RangeError(`debugfs cannot be given the names ${source} and ${path}`);
    }
    lines.push(`write ${source} ${path}`);
    lines.push(`set_inode_field ${path} mode 0${(0o100000 | mode).toString(8)}`);
  }
  return `${lines.join('\n')}\n`;
}

/**
 * Makes an ext4 file system with files inside a file, without mounting it. As debugfs writes the files and not
 * `mke2fs -d`, they belong to root and carry the epoch whoever builds; same files, same bytes.
 *
 * @throws KairosError `FILESYSTEM_NOT_WRITTEN`, `TOOL_FAILED`
 */
export async function makeExt4(workshop: Workshop, request: Ext4Request): Promise<void> {
  const { image, offset, files, label } = request;
  const { host, folder, epoch } = workshop;
  const config = 'mke2fs.conf';
  host.files.write(join(folder, config), '[defaults]\n');
  const env = { E2FSPROGS_FAKE_TIME: String(epoch), MKE2FS_CONFIG: config };
  await workshop.run(mke2fsArguments(image, request), { env });
  if (files.size === 0) return;
  host.files.write(join(folder, 'commands'), debugfsCommands(files));
  const target = `${image}?offset=${offset}`;
  const failed = (reason: string) =>
    new KairosError('FILESYSTEM_NOT_WRITTEN', `Cannot fill the file system ${label}: ${reason}`, {
      exit: 'toolFailed',
      details: { label, offset },
    });
  // debugfs goes on after an error and still exits with 0.
  const { stderr } = await workshop.run(['debugfs', '-w', '-f', 'commands', target], { env });
  const complaints = stderr.split('\n').filter((line) => line.trim() !== '' && !/^debugfs \d/.test(line));
  if (complaints.length > 0) throw failed(complaints.slice(0, 5).join('; '));
  for (const [path, { size }] of files) {
    const { stdout } = await workshop.run(['debugfs', '-R', `stat ${path}`, target], { env });
    const written = /\bSize: (\d+)/.exec(stdout)?.[1];
    if (Number(written) !== size) throw failed(`${path} has ${written ?? 'no'} bytes instead of ${size}`);
  }
}
