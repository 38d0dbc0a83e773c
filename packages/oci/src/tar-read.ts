import { KairosError } from '@kairos/facts/errors';
import { ByteReader, type SkippingStream } from './byte-reader.ts';
import {
  blockSize,
  decodeText,
  isZeroBlock,
  parseHeader,
  type RawHeader,
  type TarEntryType,
  tarError,
  typeByFlag,
} from './tar-header.ts';
import { applyPaxRecords, noAttributes, type PaxAttributes, parsePaxRecords } from './tar-pax.ts';
import { type Extent, maximumExtents, type SparseSource, sparseFile } from './tar-sparse.ts';

/*
 * Own code rather than modern-tar, which decodes names and pax values leniently as UTF-8: `security.capability` and
 * other binary attributes come out changed, as do names that are not UTF-8. It also knows no sparse formats, takes
 * unknown entry types for files, and reports no positions.
 */

/** Bytes of an extended header or a long name. Names end at 4095 bytes and attributes at 64 KiB each. */
const maximumMetadata = 1024 * 1024;
const maximumName = 4095;

/** A piece of a file's content and its place in it; between pieces are zeros. */
export interface Segment {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

export interface TarEntry {
  /** As it stands in the archive: it may be absolute, hold `..`, begin with `./`. */
  readonly name: string;
  readonly type: TarEntryType;
  /** Bytes of the file's content, holes counted; 0 for all but files. */
  readonly size: number;
  /** Permission bits, with setuid, setgid and sticky. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly userName: string;
  readonly groupName: string;
  /** Seconds since 1970, with a fraction where the archive has one. */
  readonly modified: number;
  /** Target of a symbolic or hard link, as it stands in the archive. */
  readonly linkName: string;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
  readonly xattrs: ReadonlyMap<string, Uint8Array>;
  /** The archive has POSIX ACLs for it as text, which are not read. */
  readonly hasAcls: boolean;
  /** The stretches with data where the file is sparse. */
  readonly extents?: readonly Extent[];
  /** Where the content begins in the archive, in bytes; for an index to come back to. */
  readonly position: number;
  /** The content if it is at hand whole: the fast path for small files. Takes it, as `segments` would. */
  takeBuffered(): Uint8Array | undefined;
  /** The content, in order; only until the next entry is asked for. */
  segments(): AsyncIterable<Segment>;
}

export interface TarReadOptions {
  /** Names the archive in messages. */
  readonly name: string;
  /**
   * `required`: a stream that ends without the block of zeros is truncated, even where the end falls between two
   * entries. `optional` is for layers, whose digest says that they are whole and whose writers now and then forget it.
   */
  readonly endMarker?: 'required' | 'optional';
}

const isFile = (flag: string) => flag === 'S' || typeByFlag[flag] === 'file';

interface Body {
  /** Bytes in the archive that are not read yet, without the padding. */
  left: number;
  padding: number;
}

class TarReader {
  private readonly reader: ByteReader;
  private globals: PaxAttributes = noAttributes();
  private globalRecords = false;
  private body: Body = { left: 0, padding: 0 };
  private readonly sparseSource: SparseSource = {
    left: () => this.body.left,
    headerBlock: () => this.sparseBlock(),
    contentBlock: async () => {
      const block = await this.sparseBlock();
      this.body.left -= blockSize;
      return block;
    },
  };

  constructor(
    stream: AsyncIterable<Uint8Array> | SkippingStream,
    private readonly options: TarReadOptions,
  ) {
    this.reader = new ByteReader(stream);
  }

  async *entries(): AsyncGenerator<TarEntry> {
    try {
      for (;;) {
        const entry = await this.next();
        if (entry === undefined) break;
        yield entry;
      }
      await this.reader.drain();
    } finally {
      await this.reader.cancel();
    }
  }

  private at(position: number, name?: string): string {
    const entry = name === undefined ? '' : `, entry ${JSON.stringify(name.slice(0, 200))}`;
    return `${this.options.name}, byte ${position}${entry}`;
  }

  private truncated(what: string): KairosError {
    return new KairosError(
      'TAR_TRUNCATED',
      `${this.options.name} is truncated: it ends after ${this.reader.position} bytes, ${what}`,
      { exit: 'corruptSource', hint: 'Fetch or make the archive again.' },
    );
  }

  private async finishBody(): Promise<void> {
    const { left, padding } = this.body;
    if (left + padding === 0) return;
    if (this.reader.takeNow(left + padding) === undefined && !(await this.reader.skip(left + padding))) {
      throw this.truncated('within the content of an entry');
    }
    this.body = { left: 0, padding: 0 };
  }

  /** The next header block; `undefined` at the end of the archive. */
  private async headerBlock(): Promise<Uint8Array | undefined> {
    const block = this.reader.takeNow(blockSize) ?? (await this.reader.take(blockSize));
    if (block.length === 0) {
      if (this.options.endMarker === 'optional') return undefined;
      throw this.truncated('without the end mark of an archive');
    }
    if (block.length < blockSize) throw this.truncated('within a header');
    if (block[0] !== 0 || !isZeroBlock(block)) return block;
    const second = await this.reader.take(blockSize);
    if (second.length > 0 && !isZeroBlock(second)) {
      throw tarError(
        'TAR_INVALID',
        this.at(this.reader.position - second.length),
        'there is more behind a block of zeros, which ends an archive',
      );
    }
    return undefined;
  }

  private async metadata(header: RawHeader, position: number): Promise<Uint8Array> {
    if (header.size > maximumMetadata) {
      throw tarError(
        'TAR_TOO_LARGE',
        this.at(position),
        `an extended header has ${header.size} bytes, more than ${maximumMetadata}`,
      );
    }
    const padded = Math.ceil(header.size / blockSize) * blockSize;
    const bytes = await this.reader.take(padded);
    if (bytes.length < padded) throw this.truncated('within an extended header');
    return bytes.subarray(0, header.size);
  }

  private async next(): Promise<TarEntry | undefined> {
    await this.finishBody();
    let pax: PaxAttributes | undefined;
    let longName: string | undefined;
    let longLink: string | undefined;
    let pending = false;
    for (;;) {
      const position = this.reader.position;
      const block = await this.headerBlock();
      if (block === undefined) {
        if (pending) throw this.truncated('after an extended header whose entry is missing');
        return undefined;
      }
      const where = this.at(position);
      const header = parseHeader(block, where);
      switch (header.flag) {
        case 'x': {
          const records = parsePaxRecords(await this.metadata(header, position), where);
          pax ??= this.fromGlobals();
          applyPaxRecords(pax, records, where, maximumExtents);
          pending = true;
          continue;
        }
        case 'g': {
          const records = parsePaxRecords(await this.metadata(header, position), where);
          applyPaxRecords(this.globals, records, where, maximumExtents);
          this.globalRecords = true;
          continue;
        }
        case 'L':
        case 'K': {
          const bytes = await this.metadata(header, position);
          const end = bytes.indexOf(0);
          const text = decodeText(end < 0 ? bytes : bytes.subarray(0, end), where);
          if (header.flag === 'L') longName = text;
          else longLink = text;
          pending = true;
          continue;
        }
        case 'V':
          // A volume label is the name of the archive, not an entry.
          await this.metadata(header, position);
          continue;
      }
      return await this.entry(header, block, pax ?? this.fromGlobals(), longName, longLink, position);
    }
  }

  private fromGlobals(): PaxAttributes {
    if (!this.globalRecords) return noAttributes();
    return { ...this.globals, xattrs: new Map(this.globals.xattrs), sparse: {} };
  }

  private async entry(
    header: RawHeader,
    block: Uint8Array,
    pax: PaxAttributes,
    longName: string | undefined,
    longLink: string | undefined,
    position: number,
  ): Promise<TarEntry> {
    let name = pax.sparse.name ?? pax.path ?? longName ?? header.name;
    const linkName = pax.linkName ?? longLink ?? header.linkName;
    const where = this.at(position, name);
    if (name === '') throw tarError('TAR_INVALID', where, 'it has no name');
    for (const text of [name, linkName]) {
      if (Buffer.byteLength(text) > maximumName) {
        throw tarError('TAR_INVALID', where, `a name is longer than ${maximumName} bytes`);
      }
    }
    let type = isFile(header.flag) ? 'file' : typeByFlag[header.flag];
    if (type === undefined) {
      throw tarError(
        'TAR_UNSUPPORTED',
        where,
        `entries of type ${JSON.stringify(header.flag)} are not supported`,
      );
    }
    // Before POSIX a directory was a file whose name ends with a slash.
    if (header.flag === '\0' && name.endsWith('/')) type = 'directory';
    if (type === 'directory') name = name.replace(/(?<=.)\/+$/, '');
    const stored = type === 'file' ? (pax.size ?? header.size) : 0;
    this.body = { left: stored, padding: (blockSize - (stored % blockSize)) % blockSize };
    const sparse =
      type === 'file'
        ? await sparseFile(header.flag, block, pax.sparse, this.sparseSource, where)
        : undefined;
    const size = sparse?.size ?? stored;
    const { reader } = this;
    const common = {
      name,
      type,
      size,
      mode: header.mode,
      uid: pax.uid ?? header.uid,
      gid: pax.gid ?? header.gid,
      userName: pax.userName ?? header.userName,
      groupName: pax.groupName ?? header.groupName,
      modified: pax.modified ?? header.modified,
      linkName: type === 'symlink' || type === 'hardlink' ? linkName : '',
      deviceMajor: header.deviceMajor,
      deviceMinor: header.deviceMinor,
      xattrs: pax.xattrs,
      hasAcls: pax.acls,
      position: reader.position,
    };
    for (const id of [common.uid, common.gid]) {
      if (id < 0 || id > 0xfffffffe) throw tarError('TAR_INVALID', where, `the owner ${id} is out of range`);
    }
    const body = this.body;
    return {
      ...common,
      ...(sparse === undefined ? {} : { extents: sparse.extents }),
      takeBuffered: () => {
        if (sparse !== undefined || body.left !== size || this.body !== body) return undefined;
        const bytes = reader.takeNow(size);
        if (bytes !== undefined) body.left = 0;
        return bytes;
      },
      segments: () => this.segments(body, sparse?.extents ?? [{ offset: 0, length: size }], where),
    };
  }

  private async sparseBlock(): Promise<Uint8Array> {
    const block = await this.reader.take(blockSize);
    if (block.length < blockSize) throw this.truncated('within the map of a sparse file');
    return block;
  }

  private async *segments(body: Body, extents: readonly Extent[], where: string): AsyncGenerator<Segment> {
    for (const extent of extents) {
      let done = 0;
      while (done < extent.length) {
        if (this.body !== body) {
          throw new KairosError('TAR_READ_LATE', `${where}: its content was read after the next entry`);
        }
        const bytes = await this.reader.some(extent.length - done);
        if (bytes === undefined) {
          throw this.truncated(
            `${extent.length - done} bytes before the end of ${where.split(', entry ')[1]}`,
          );
        }
        body.left -= bytes.length;
        yield { offset: extent.offset + done, bytes };
        done += bytes.length;
      }
    }
  }
}

/**
 * Entries of a tar stream, in order and in bounded memory: ustar, the formats of old and GNU tar with long names,
 * pax with extended attributes, and all four sparse formats. The content of an entry can be read until the next entry
 * is asked for. Names are given as they stand: whoever writes them somewhere judges them.
 * @throws KairosError `TAR_TRUNCATED`, `TAR_INVALID`, `TAR_UNSUPPORTED`, `TAR_TOO_LARGE`, `TAR_NAME_NOT_UTF8`
 */
export function readTar(
  stream: AsyncIterable<Uint8Array> | SkippingStream,
  options: TarReadOptions,
): AsyncGenerator<TarEntry> {
  return new TarReader(stream, options).entries();
}

/** The content of a file with its holes filled, for small files. @throws KairosError `TAR_TOO_LARGE` */
export async function entryContent(entry: TarEntry, limit: number): Promise<Uint8Array> {
  if (entry.size > limit) {
    throw tarError('TAR_TOO_LARGE', entry.name, `it has ${entry.size} bytes, more than ${limit}`);
  }
  const content = new Uint8Array(entry.size);
  for await (const { offset, bytes } of entry.segments()) content.set(bytes, offset);
  return content;
}
