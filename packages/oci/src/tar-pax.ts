import { decodeText, tarError } from './tar-header.ts';

/**
 * Bytes of the extended attributes of one entry, which may have any number of extended headers. File systems take 64 KiB
 * for each and have room for few of that size.
 */
const maximumXattrs = 1024 * 1024;

/** A pax record; the value is bytes, because extended attributes are (`security.capability` is binary). */
export interface PaxRecord {
  readonly key: string;
  readonly value: Uint8Array;
}

/**
 * Records of a pax extended header, `<length> <key>=<value>\n` (POSIX.1-2017 pax(1), "pax Header File"), in their
 * order: GNU's sparse format 0.0 repeats keys.
 * @throws KairosError `TAR_INVALID`
 */
export function parsePaxRecords(bytes: Uint8Array, where: string): PaxRecord[] {
  const records: PaxRecord[] = [];
  let at = 0;
  while (at < bytes.length) {
    let length = 0;
    let digits = at;
    for (; digits < bytes.length && digits - at < 8; digits++) {
      const byte = bytes[digits] ?? 0;
      if (byte < 0x30 || byte > 0x39) break;
      length = length * 10 + (byte - 0x30);
    }
    const end = at + length;
    const equals = bytes.indexOf(0x3d, digits);
    if (
      digits === at ||
      bytes[digits] !== 0x20 ||
      end > bytes.length ||
      bytes[end - 1] !== 0x0a ||
      equals < 0 ||
      equals >= end ||
      equals === digits + 1
    ) {
      throw tarError('TAR_INVALID', where, `the extended header is malformed at its byte ${at}`);
    }
    records.push({
      key: decodeText(bytes.subarray(digits + 1, equals), where),
      value: bytes.subarray(equals + 1, end - 1),
    });
    at = end;
  }
  return records;
}

/** Attributes that an extended header gives to an entry. An empty value takes a global one back. */
export interface PaxAttributes {
  path?: string;
  linkName?: string;
  size?: number;
  uid?: number;
  gid?: number;
  modified?: number;
  userName?: string;
  groupName?: string;
  xattrs: Map<string, Uint8Array>;
  /** Bytes of all records that gave one. */
  xattrBytes: number;
  /** POSIX ACLs as text, which are not carried over. */
  acls: boolean;
  sparse: SparseRecords;
}

/** What the `GNU.sparse.*` records of the formats 0.0, 0.1 and 1.0 say (GNU tar manual, "Storing Sparse Files"). */
export interface SparseRecords {
  major?: number;
  minor?: number;
  name?: string;
  realSize?: number;
  /** Offsets and lengths in turn, of 0.0 and 0.1. */
  map?: number[];
}

function decimal(value: Uint8Array, key: string, where: string, fraction = false): number {
  const text = decodeText(value, where);
  const valid = fraction ? /^-?\d{1,16}(?:\.\d*)?$/ : /^\d{1,16}$/;
  const number = Number(text);
  if (!valid.test(text) || (!fraction && !Number.isSafeInteger(number))) {
    throw tarError(
      'TAR_INVALID',
      where,
      `the extended header says ${key}=${JSON.stringify(text.slice(0, 40))}`,
    );
  }
  return number;
}

function name(value: Uint8Array, key: string, where: string): string {
  if (value.includes(0))
    throw tarError('TAR_INVALID', where, `the ${key} in the extended header holds a NUL`);
  return decodeText(value, where);
}

export function noAttributes(): PaxAttributes {
  return { xattrs: new Map(), xattrBytes: 0, acls: false, sparse: {} };
}

/** Adds records to attributes. Keys that say nothing about a file's content or place (comments, atime) are passed over. */
export function applyPaxRecords(
  attributes: PaxAttributes,
  records: readonly PaxRecord[],
  where: string,
  maximumExtents: number,
): void {
  const { sparse } = attributes;
  for (const { key, value } of records) {
    const empty = value.length === 0;
    const number = () => decimal(value, key, where);
    switch (key) {
      case 'path':
        if (empty) delete attributes.path;
        else attributes.path = name(value, key, where);
        break;
      case 'linkpath':
        if (empty) delete attributes.linkName;
        else attributes.linkName = name(value, key, where);
        break;
      case 'size':
        if (empty) delete attributes.size;
        else attributes.size = number();
        break;
      case 'uid':
        if (empty) delete attributes.uid;
        else attributes.uid = number();
        break;
      case 'gid':
        if (empty) delete attributes.gid;
        else attributes.gid = number();
        break;
      case 'mtime':
        if (empty) delete attributes.modified;
        else attributes.modified = decimal(value, key, where, true);
        break;
      case 'uname':
        attributes.userName = name(value, key, where);
        break;
      case 'gname':
        attributes.groupName = name(value, key, where);
        break;
      case 'SCHILY.acl.access':
      case 'SCHILY.acl.default':
        attributes.acls = true;
        break;
      case 'GNU.sparse.major':
        sparse.major = number();
        break;
      case 'GNU.sparse.minor':
        sparse.minor = number();
        break;
      case 'GNU.sparse.name':
        sparse.name = name(value, key, where);
        break;
      case 'GNU.sparse.realsize':
      case 'GNU.sparse.size':
        sparse.realSize = number();
        break;
      case 'GNU.sparse.numblocks':
        sparse.map ??= [];
        break;
      case 'GNU.sparse.offset':
      case 'GNU.sparse.numbytes':
        sparse.map ??= [];
        sparse.map.push(number());
        break;
      case 'GNU.sparse.map':
        sparse.map = empty
          ? []
          : decodeText(value, where)
              .split(',')
              .map((part) => decimal(Buffer.from(part), key, where));
        break;
      default:
        if (key.startsWith('SCHILY.xattr.')) {
          // GNU tar writes the two characters that would break a record's key as %3D and %25.
          const attribute = key.slice('SCHILY.xattr.'.length).replaceAll('%3D', '=').replaceAll('%25', '%');
          if (attribute === '' || attribute.includes('\0') || attribute.length > 255) {
            throw tarError('TAR_INVALID', where, 'an extended attribute has no valid name');
          }
          attributes.xattrBytes += attribute.length + value.length;
          if (attributes.xattrBytes > maximumXattrs) {
            throw tarError(
              'TAR_TOO_LARGE',
              where,
              `the extended attributes of an entry have more than ${maximumXattrs} bytes`,
            );
          }
          attributes.xattrs.set(attribute, value.slice());
        }
    }
    if ((sparse.map?.length ?? 0) > 2 * maximumExtents) {
      throw tarError('TAR_TOO_LARGE', where, `a sparse file has more than ${maximumExtents} extents`);
    }
  }
}
