import { KairosError } from '@kairos/facts/errors';

export const blockSize = 512;

export type TarEntryType =
  | 'file'
  | 'directory'
  | 'symlink'
  | 'hardlink'
  | 'character-device'
  | 'block-device'
  | 'fifo';

/** Type flags of POSIX.1-2017 pax(1), "ustar Interchange Format"; NUL is what came before, `7` a contiguous file. */
export const typeByFlag: Readonly<Record<string, TarEntryType>> = {
  '\0': 'file',
  '0': 'file',
  '7': 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '3': 'character-device',
  '4': 'block-device',
  '5': 'directory',
  '6': 'fifo',
};

/** The fields of one 512-byte header, as they stand there. */
export interface RawHeader {
  readonly flag: string;
  readonly name: string;
  readonly linkName: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  /** Seconds since 1970. */
  readonly modified: number;
  readonly userName: string;
  readonly groupName: string;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
}

/** An archive that is not what it should be. `where` says which and at which byte. */
export function tarError(code: string, where: string, reason: string): KairosError {
  return new KairosError(code, `${where}: ${reason}`, { exit: 'corruptSource' });
}

const decoder = new TextDecoder('utf-8', { fatal: true });

/**
 * Text of a header field or a pax record. Names that are not UTF-8 cannot be carried in a string without becoming
 * other names, so they are refused.
 */
export function decodeText(bytes: Uint8Array, where: string): string {
  let ascii = '';
  for (const byte of bytes) {
    if (byte > 127) {
      try {
        return decoder.decode(bytes);
      } catch {
        throw tarError(
          'TAR_NAME_NOT_UTF8',
          where,
          `${JSON.stringify(Buffer.from(bytes).toString('latin1'))} is not UTF-8`,
        );
      }
    }
    ascii += String.fromCharCode(byte);
  }
  return ascii;
}

function field(block: Uint8Array, offset: number, length: number, where: string): string {
  let end = offset;
  while (end < offset + length && block[end] !== 0) end++;
  return end === offset ? '' : decodeText(block.subarray(offset, end), where);
}

/** An octal number, or a base-256 one as GNU and star write what octal cannot hold. */
export function numericField(block: Uint8Array, offset: number, length: number, where: string): number {
  const first = block[offset] ?? 0;
  let value = 0;
  if (first & 0x80) {
    const negative = (first & 0x40) !== 0;
    // Two's complement, the highest bit being the mark: the complement of a negative number is counted up.
    for (let index = 0; index < length; index++) {
      let byte = block[offset + index] ?? 0;
      if (index === 0) byte &= 0x7f;
      if (negative) byte = index === 0 ? ~byte & 0x7f : ~byte & 0xff;
      value = value * 256 + byte;
    }
    if (negative) value = -value - 1;
  } else {
    let at = offset;
    const end = offset + length;
    while (at < end && block[at] === 0x20) at++;
    for (; at < end; at++) {
      const byte = block[at] ?? 0;
      if (byte === 0 || byte === 0x20) break;
      if (byte < 0x30 || byte > 0x37) {
        throw tarError('TAR_INVALID', where, `a number in the header holds the byte ${byte}`);
      }
      value = value * 8 + (byte - 0x30);
    }
  }
  if (!Number.isSafeInteger(value))
    throw tarError('TAR_INVALID', where, 'a number in the header is too large');
  return value;
}

export function isZeroBlock(block: Uint8Array): boolean {
  for (const byte of block) if (byte !== 0) return false;
  return true;
}

/** Sum of all bytes, those of the checksum field counted as spaces; old tars summed signed characters. */
function checksums(block: Uint8Array): { unsigned: number; signed: number } {
  let unsigned = 8 * 0x20;
  let high = 0;
  for (let index = 0; index < blockSize; index++) {
    if (index >= 148 && index < 156) continue;
    const byte = block[index] ?? 0;
    unsigned += byte;
    if (byte > 127) high++;
  }
  return { unsigned, signed: unsigned - 256 * high };
}

/**
 * Reads one header block.
 * @param where Archive and byte position, for messages.
 * @throws KairosError `TAR_INVALID`, `TAR_NAME_NOT_UTF8`
 */
export function parseHeader(block: Uint8Array, where: string): RawHeader {
  const number = (offset: number, length: number) => numericField(block, offset, length, where);
  const { unsigned, signed } = checksums(block);
  let stated: number | undefined;
  try {
    stated = number(148, 8);
  } catch {
    // A checksum that is not a number: the block is no header at all, which is said below.
  }
  if (stated !== unsigned && stated !== signed) {
    throw tarError('TAR_INVALID', where, 'this is not a tar header (its checksum is wrong)');
  }
  const flag = String.fromCharCode(block[156] ?? 0);
  const magic = Buffer.from(block.buffer, block.byteOffset + 257, 8).toString('latin1');
  const posix = magic.startsWith('ustar\0');
  const named = posix || magic.startsWith('ustar ');
  const size = number(124, 12);
  if (size < 0) throw tarError('TAR_INVALID', where, `the size ${size} is negative`);
  let name = field(block, 0, 100, where);
  const prefix = posix ? field(block, 345, 155, where) : '';
  if (prefix !== '') name = `${prefix}/${name}`;
  const device = flag === '3' || flag === '4';
  return {
    flag,
    name,
    linkName: field(block, 157, 100, where),
    mode: number(100, 8) & 0o7777,
    uid: number(108, 8),
    gid: number(116, 8),
    size,
    modified: number(136, 12),
    userName: named ? field(block, 265, 32, where) : '',
    groupName: named ? field(block, 297, 32, where) : '',
    deviceMajor: device ? number(329, 8) : 0,
    deviceMinor: device ? number(337, 8) : 0,
  };
}
