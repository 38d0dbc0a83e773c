import { KairosError } from '@kairos/facts/errors';

export type CpioEntry =
  | { readonly kind: 'file'; readonly path: string; readonly mode: number; readonly data: Uint8Array }
  | { readonly kind: 'directory'; readonly path: string; readonly mode: number }
  | { readonly kind: 'symlink'; readonly path: string; readonly target: string }
  | {
      readonly kind: 'character';
      readonly path: string;
      readonly mode: number;
      readonly major: number;
      readonly minor: number;
    };

/** File type bits of `st_mode`. */
const typeBits = { file: 0o100000, directory: 0o040000, symlink: 0o120000, character: 0o020000 } as const;

const encoder = new TextEncoder();

function padded(length: number, alignment: number): number {
  return Math.ceil(length / alignment) * alignment;
}

function header(fields: readonly number[], name: string): Uint8Array {
  const text = `070701${fields.map((field) => field.toString(16).toUpperCase().padStart(8, '0')).join('')}`;
  const bytes = encoder.encode(`${text}${name}\0`);
  const result = new Uint8Array(padded(bytes.length, 4));
  result.set(bytes);
  return result;
}

/**
 * Writes an archive in the `newc` form that the kernel unpacks (kernel documentation,
 * driver-api/early-userspace/buffer-format). The same entries give the same bytes: they are sorted, owned by root
 * and dated 1970. Missing parent directories are added with mode 0755. Paths have no leading slash.
 * @throws KairosError `CPIO_ENTRY` for a path that is not plain, is there twice, or lies below something else than a
 * directory
 */
export function writeCpio(entries: readonly CpioEntry[]): Uint8Array {
  const all = new Map<string, CpioEntry>();
  const fail = (path: string, why: string) => {
    throw new KairosError('CPIO_ENTRY', `Cannot put ${JSON.stringify(path)} into the initrd: ${why}`);
  };
  for (const entry of entries) {
    const parts = entry.path.split('/');
    if (parts.some((part) => part === '' || part === '.' || part === '..') || entry.path.includes('\0')) {
      fail(entry.path, 'it is not a plain relative path');
    }
    if (all.has(entry.path)) fail(entry.path, 'it is there twice');
    all.set(entry.path, entry);
  }
  for (const { path } of entries) {
    const parts = path.split('/');
    for (let depth = 1; depth < parts.length; depth++) {
      const parent = parts.slice(0, depth).join('/');
      const known = all.get(parent);
      if (known === undefined) all.set(parent, { kind: 'directory', path: parent, mode: 0o755 });
      else if (known.kind !== 'directory') fail(path, `${parent} is a ${known.kind}`);
    }
  }
  // By code unit, so that a directory comes before what is in it and the order is the same in every locale.
  const sorted = [...all.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
  const chunks: Uint8Array[] = [];
  sorted.forEach((entry, index) => {
    const data =
      entry.kind === 'file'
        ? entry.data
        : entry.kind === 'symlink'
          ? encoder.encode(entry.target)
          : new Uint8Array();
    const permissions = entry.kind === 'symlink' ? 0o777 : entry.mode & 0o7777;
    const name = encoder.encode(entry.path);
    const device = entry.kind === 'character' ? [entry.major, entry.minor] : [0, 0];
    const links = entry.kind === 'directory' ? 2 : 1;
    chunks.push(
      header(
        // ino, mode, uid, gid, nlink, mtime, filesize, devmajor, devminor, rdevmajor, rdevminor, namesize, check
        [
          ...[index + 1, typeBits[entry.kind] | permissions, 0, 0, links, 0, data.length, 0, 0],
          ...device,
          name.length + 1,
          0,
        ],
        entry.path,
      ),
      data,
      new Uint8Array(padded(data.length, 4) - data.length),
    );
  });
  chunks.push(header([0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 11, 0], 'TRAILER!!!'));
  const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  const archive = new Uint8Array(padded(length, 512));
  let offset = 0;
  for (const chunk of chunks) {
    archive.set(chunk, offset);
    offset += chunk.length;
  }
  return archive;
}
