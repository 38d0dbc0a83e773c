import { join } from 'node:path/posix';
import { type Architecture, hostArchitecture } from '@kairos/facts/architecture';
import { KairosError } from '@kairos/facts/errors';
import type { Host } from '@kairos/host/host';
import { isElf, readElf } from './elf.ts';
import { resolveInRoot } from './root-path.ts';

/** Programs that `/init` runs out of busybox. */
export const requiredApplets = [
  ...[
    'awk',
    'cat',
    'chroot',
    'cut',
    'dmesg',
    'env',
    'grep',
    'head',
    'kill',
    'ln',
    'losetup',
    'mkdir',
    'mkfifo',
    'modprobe',
    'mount',
    'mv',
  ],
  ...[
    'readlink',
    'reboot',
    'rm',
    'rmdir',
    'setsid',
    'sh',
    'chmod',
    'sleep',
    'sort',
    'switch_root',
    'sync',
    'tail',
    'tr',
    'uevent',
    'umount',
  ],
] as const;

/** Programs for a rescue shell, linked where this busybox has them. */
export const rescueApplets = [
  ...['blockdev', 'cp', 'cttyhack', 'date', 'dd', 'df', 'du', 'fdisk', 'find', 'free', 'halt', 'head'],
  ...['hexdump', 'insmod', 'less', 'ls', 'lsmod', 'lspci', 'lsusb', 'mknod', 'modinfo', 'more', 'mountpoint'],
  ...['mv', 'od', 'pidof', 'poweroff', 'ps', 'pwd', 'realpath', 'rmmod', 'sed', 'sha256sum', 'stat'],
  ...[
    'strings',
    'stty',
    'sync',
    'sysctl',
    'tar',
    'tee',
    'touch',
    'true',
    'uname',
    'vi',
    'wc',
    'xargs',
    'xxd',
  ],
] as const;

const textEncoder = new TextEncoder();

/** The applets out of `names` that a busybox has: it holds the table of their names, each ended by NUL. */
export function appletsOf(bytes: Uint8Array, names: readonly string[]): string[] {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return names.filter((name) => buffer.includes(textEncoder.encode(`\0${name}\0`)));
}

export interface Busybox {
  /** Path on the machine. */
  readonly path: string;
  /** Path inside the root, where it comes from there: its libraries do too. */
  readonly inRoot: string | undefined;
  readonly applets: readonly string[];
}

/** Where distributions keep busybox. */
const rootPaths = [
  '/usr/bin/busybox',
  '/bin/busybox',
  '/usr/sbin/busybox',
  '/bin/busybox-static',
  '/usr/lib/initcpio/busybox',
];

/**
 * The busybox for the initrd: the one that the caller names, else the root's, else the machine's static one.
 * @throws KairosError `BUSYBOX_MISSING` with what was looked at
 */
export function findBusybox(
  host: Host,
  root: string,
  architecture: Architecture,
  named: string | undefined,
): Busybox {
  const { files } = host;
  const seen: string[] = [];
  const suitable = (path: string, inRoot: string | undefined): Busybox | undefined => {
    if (!files.exists(path)) return undefined;
    const bytes = files.readBytes(path);
    const refuse = (why: string) => {
      seen.push(`${path}: ${why}`);
      return undefined;
    };
    if (!isElf(bytes)) return refuse('not an executable');
    const elf = readElf(bytes, path);
    if (elf.architecture !== architecture) return refuse(`for ${elf.architecture ?? 'another architecture'}`);
    if (inRoot === undefined && elf.interpreter !== undefined) return refuse('not static');
    const applets = appletsOf(bytes, [...new Set([...requiredApplets, ...rescueApplets])]);
    const lacking = requiredApplets.filter((name) => !applets.includes(name));
    if (lacking.length > 0) return refuse(`lacks ${lacking.join(', ')}`);
    return { path, inRoot, applets };
  };
  const candidates = [
    () => (named === undefined ? undefined : suitable(named, undefined)),
    ...rootPaths.map((path) => () => {
      const inside = named === undefined ? resolveInRoot(files, root, path) : undefined;
      return inside === undefined ? undefined : suitable(join(root, inside), inside);
    }),
    ...['/usr/bin/busybox', '/bin/busybox', '/bin/busybox.static'].map(
      (path) => () =>
        named === undefined && hostArchitecture() === architecture ? suitable(path, undefined) : undefined,
    ),
  ];
  for (const candidate of candidates) {
    const found = candidate();
    if (found) return found;
  }
  throw new KairosError(
    'BUSYBOX_MISSING',
    `No busybox for ${architecture} to build the initrd with${seen.length > 0 ? ` (${[...new Set(seen)].join('; ')})` : ''}`,
    {
      hint: 'Install busybox in the root, or busybox-static on this machine.',
      exit: named === undefined ? 'unsuitableImage' : 'notFound',
    },
  );
}
