import { KairosError } from '@kairos/facts/errors';
import { blockSize, type TarEntryType } from './tar-header.ts';

export interface TarWriteEntry {
  /** Relative, without `./`; of a directory without a trailing slash. */
  readonly path: string;
  readonly type: TarEntryType;
  readonly mode: number;
  readonly uid?: number;
  readonly gid?: number;
  /** Whole seconds since 1970. */
  readonly modified: number;
  readonly linkName?: string;
  readonly deviceMajor?: number;
  readonly deviceMinor?: number;
  readonly xattrs?: ReadonlyMap<string, Uint8Array>;
  /** Bytes of `content`; of a file only. */
  readonly size?: number;
  readonly content?: Uint8Array | AsyncIterable<Uint8Array>;
}

const flagOf: Readonly<Record<TarEntryType, string>> = {
  file: '0',
  hardlink: '1',
  symlink: '2',
  'character-device': '3',
  'block-device': '4',
  directory: '5',
  fifo: '6',
};
const outputSize = 256 * 1024;
/** Largest numbers of 7 and 11 octal digits. */
const largest7 = 0o7777777;
const largest11 = 0o77777777777;

const fits = (text: string, length: number) => /^[\x01-\x7f]*$/.test(text) && text.length <= length;

/** Splits a long path at a slash into the prefix and name fields of ustar; `undefined` where that cannot be. */
function splitPath(path: string): { prefix: string; name: string } | undefined {
  if (fits(path, 100)) return { prefix: '', name: path };
  if (!fits(path, 256)) return undefined;
  const slash = path.indexOf('/', path.length - 101);
  if (slash <= 0 || slash > 155 || slash === path.length - 1) return undefined;
  return { prefix: path.slice(0, slash), name: path.slice(slash + 1) };
}

function headerBlock(
  fields: Required<Pick<TarWriteEntry, 'path' | 'mode' | 'uid' | 'gid' | 'modified' | 'linkName'>> & {
    flag: string;
    size: number;
    major: number;
    minor: number;
    prefix: string;
  },
): Buffer {
  const block = Buffer.alloc(blockSize);
  const octal = (value: number, offset: number, length: number) =>
    block.write(value.toString(8).padStart(length - 1, '0'), offset, 'latin1');
  block.write(fields.path, 0, 100, 'utf8');
  octal(fields.mode & 0o7777, 100, 8);
  octal(fields.uid, 108, 8);
  octal(fields.gid, 116, 8);
  octal(fields.size, 124, 12);
  octal(fields.modified, 136, 12);
  block.write(fields.flag, 156, 'latin1');
  block.write(fields.linkName, 157, 100, 'utf8');
  block.write('ustar\x0000', 257, 'latin1');
  octal(fields.major, 329, 8);
  octal(fields.minor, 337, 8);
  block.write(fields.prefix, 345, 155, 'utf8');
  block.fill(0x20, 148, 156);
  let sum = 0;
  for (const byte of block) sum += byte;
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

/** One record of a pax header; its length counts its own digits. */
function paxRecord(key: string, value: Uint8Array | string): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), Buffer.from(value as Uint8Array), Buffer.from('\n')]);
  let length = rest.length;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

/** The header blocks of an entry: ustar, with a pax header before it only for what ustar cannot say. */
export function entryHeader(entry: TarWriteEntry): Buffer {
  const { type, uid = 0, gid = 0, linkName = '', size = 0 } = entry;
  const path = type === 'directory' ? `${entry.path}/` : entry.path;
  const modified = Math.max(0, Math.floor(entry.modified));
  const records: Buffer[] = [];
  const split = splitPath(path);
  if (split === undefined) records.push(paxRecord('path', path));
  if (!fits(linkName, 100)) records.push(paxRecord('linkpath', linkName));
  if (uid > largest7) records.push(paxRecord('uid', String(uid)));
  if (gid > largest7) records.push(paxRecord('gid', String(gid)));
  if (size > largest11) records.push(paxRecord('size', String(size)));
  if (modified > largest11) records.push(paxRecord('mtime', String(modified)));
  for (const name of [...(entry.xattrs?.keys() ?? [])].sort()) {
    // As GNU tar does for what would end the key early.
    const key = name.replaceAll('%', '%25').replaceAll('=', '%3D');
    records.push(paxRecord(`SCHILY.xattr.${key}`, entry.xattrs?.get(name) ?? ''));
  }
  const shared = {
    mode: entry.mode,
    modified: Math.min(modified, largest11),
    linkName: '',
    major: 0,
    minor: 0,
  };
  const block = headerBlock({
    ...shared,
    path:
      split?.name ??
      Buffer.from(path)
        .subarray(0, 100)
        .toString('latin1')
        .replace(/[^\x20-\x7e]/g, '_'),
    prefix: split?.prefix ?? '',
    uid: Math.min(uid, largest7),
    gid: Math.min(gid, largest7),
    size: Math.min(size, largest11),
    flag: flagOf[type],
    linkName: fits(linkName, 100) ? linkName : '',
    major: entry.deviceMajor ?? 0,
    minor: entry.deviceMinor ?? 0,
  });
  if (records.length === 0) return block;
  const body = Buffer.concat(records);
  const pax = headerBlock({
    ...shared,
    mode: 0o644,
    path: 'PaxHeaders/entry',
    prefix: '',
    uid: 0,
    gid: 0,
    size: body.length,
    flag: 'x',
  });
  return Buffer.concat([pax, body, Buffer.alloc(padding(body.length)), block]);
}

function padding(size: number): number {
  return (blockSize - (size % blockSize)) % blockSize;
}

/**
 * A tar stream in large chunks, whose bytes depend on the entries alone. Entries are written in the given order.
 * @throws KairosError `TAR_SIZE_CHANGED` where a file's content is not as long as its entry says
 */
export async function* writeTar(
  entries: AsyncIterable<TarWriteEntry> | Iterable<TarWriteEntry>,
): AsyncGenerator<Uint8Array> {
  let output = Buffer.allocUnsafeSlow(outputSize);
  let filled = 0;
  const add = function* (bytes: Uint8Array): Generator<Uint8Array> {
    let rest = bytes;
    while (rest.length > 0) {
      const part = rest.subarray(0, outputSize - filled);
      output.set(part, filled);
      filled += part.length;
      rest = rest.subarray(part.length);
      if (filled === outputSize) {
        yield output;
        output = Buffer.allocUnsafeSlow(outputSize);
        filled = 0;
      }
    }
  };
  for await (const entry of entries) {
    const { content, size = 0 } = entry;
    yield* add(entryHeader(entry));
    let written = 0;
    if (content instanceof Uint8Array) {
      written = content.length;
      if (written <= size) yield* add(content);
    } else if (content !== undefined) {
      for await (const chunk of content) {
        written += chunk.length;
        if (written > size) break;
        yield* add(chunk);
      }
    }
    if (written !== size) {
      throw new KairosError(
        'TAR_SIZE_CHANGED',
        `${entry.path} has ${written > size ? 'more' : 'fewer'} bytes than the ${size} it had at first`,
        { hint: 'Something writes to it meanwhile.' },
      );
    }
    yield* add(new Uint8Array(padding(size)));
  }
  yield* add(new Uint8Array(2 * blockSize));
  if (filled > 0) yield output.subarray(0, filled);
}
