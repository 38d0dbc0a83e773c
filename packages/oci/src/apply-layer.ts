import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  ftruncateSync,
  futimesSync,
  lchownSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  openSync,
  symlinkSync,
  utimesSync,
  writeSync,
} from 'node:fs';
import { isSystemError, KairosError, reasonOf } from '@kairos/facts/errors';
import { makeNodeCall, setXattrCall } from '@kairos/host/system-calls';
import { PendingDirectories } from './pending-directories.ts';
import { type TarEntryType, tarError } from './tar-header.ts';
import { entryPath } from './tar-path.ts';
import { readTar, type TarEntry } from './tar-read.ts';
import { unlessStopped } from './unless-stopped.ts';
import { UnpackRoot } from './unpack-root.ts';

/*
 * Written with synchronous calls and checked here, rather than handed to tar(1) after a check: what is checked is what
 * is written, there are no two readers that could differ, and it takes about as long as GNU tar.
 */

/** Something that an archive has and the directory has not. */
export interface UnpackFinding {
  readonly kind: 'device-skipped' | 'owner-not-kept' | 'xattr-not-kept' | 'acl-not-kept';
  /** How many entries it concerns. */
  readonly count: number;
  /** The first ten of them. */
  readonly entries: readonly string[];
}

export interface UnpackResult {
  readonly entries: number;
  /** Bytes of file content, without holes. */
  readonly bytes: number;
  readonly findings: readonly UnpackFinding[];
}

export interface ApplyOptions {
  /** Names the archive in messages. */
  readonly name: string;
  /**
   * Device entries: `create` (needs root), `skip` with a finding (an OS has devtmpfs), or `refuse` for archives from
   * people, which have no reason to hold any. `skip-in-dev`: skip below `dev/`, refuse elsewhere, for archives of whole
   * roots.
   */
  readonly devices: 'refuse' | 'skip' | 'skip-in-dev' | 'create';
  /** Acts on `.wh.` entries (image-spec, layer.md, "Whiteouts"). Off for plain archives, in which it is only a name. */
  readonly whiteouts: boolean;
  /** Symbolic links for directories in an entry's path; see `UnpackRootOptions`. */
  readonly links: 'refuse' | 'inside';
  /**
   * Absolute names and targets of hard links: `refuse`, or `inside`: they begin at the root, as container runtimes take
   * what some tools write.
   */
  readonly absolute: 'refuse' | 'inside';
  /** Whether the archive must have its end mark; see `TarReadOptions`. */
  readonly endMarker: 'required' | 'optional';
  readonly signal?: AbortSignal;
  /** Called now and then with the number of entries so far. */
  readonly onProgress?: (entries: number) => void;
}

/** How layers of an image are applied: their digest vouches for them, an earlier layer may hold links. */
export const layerPolicy = {
  devices: 'create',
  whiteouts: true,
  links: 'inside',
  absolute: 'inside',
  endMarker: 'optional',
} as const satisfies Partial<ApplyOptions>;

/** How an archive that a user names is unpacked. */
export const archivePolicy = {
  devices: 'refuse',
  whiteouts: false,
  links: 'refuse',
  absolute: 'refuse',
  endMarker: 'required',
} as const satisfies Partial<ApplyOptions>;

const whiteoutPrefix = '.wh.';
const opaqueWhiteout = '.wh..wh..opq';
const maximumEntries = 5_000_000;

type Kind = 'directory' | 'symlink' | 'other';
const kindOf = (type: TarEntryType): Kind => (type === 'directory' || type === 'symlink' ? type : 'other');

class LayerWriter {
  private readonly root: UnpackRoot;
  /** What this archive has put where; what lies there else is from below. */
  private readonly written = new Map<string, Kind>();
  private readonly directories: PendingDirectories;
  private readonly findings = new Map<UnpackFinding['kind'], { count: number; entries: string[] }>();
  private readonly privileged = process.geteuid?.() === 0;
  private entries = 0;
  private bytes = 0;

  constructor(
    root: string,
    private readonly options: ApplyOptions,
  ) {
    this.root = new UnpackRoot(root, { links: options.links, privileged: this.privileged });
    this.directories = new PendingDirectories(this.root, options.name);
  }

  async apply(stream: AsyncIterable<Uint8Array>): Promise<UnpackResult> {
    const { name, endMarker, signal } = this.options;
    for await (const entry of readTar(unlessStopped(stream, name, signal), { name, endMarker })) {
      const where = `${name}, entry ${JSON.stringify(entry.name)}`;
      try {
        await this.entry(entry, where);
      } catch (error) {
        throw error instanceof KairosError && error.code !== 'SYSTEM_CALL_FAILED'
          ? error
          : writeError(error, where);
      }
      this.entries++;
      if (this.entries > maximumEntries) {
        throw tarError('TAR_TOO_LARGE', name, `it has more than ${maximumEntries} entries`);
      }
      if (this.entries % 1000 === 0) this.options.onProgress?.(this.entries);
    }
    this.finishDirectories();
    this.options.onProgress?.(this.entries);
    return {
      entries: this.entries,
      bytes: this.bytes,
      findings: [...this.findings].map(([kind, found]) => ({ kind, ...found })),
    };
  }

  private find(kind: UnpackFinding['kind'], name: string): void {
    const found = this.findings.get(kind) ?? { count: 0, entries: [] };
    found.count++;
    if (found.entries.length < 10) found.entries.push(name);
    this.findings.set(kind, found);
  }

  private async entry(entry: TarEntry, where: string): Promise<void> {
    const path = entryPath(entry.name, where, this.options.absolute);
    if (this.options.whiteouts) {
      const base = path.slice(path.lastIndexOf('/') + 1);
      if (base.startsWith(whiteoutPrefix)) {
        this.whiteout(path, base, where);
        return;
      }
    }
    if (path === '' && entry.type !== 'directory') {
      throw tarError('TAR_INVALID', where, `the root is a ${entry.type}`);
    }
    const place = this.root.locate(path, where, true);
    const kind = kindOf(entry.type);
    const before = this.written.get(place);
    if (before !== undefined && before !== kind) {
      throw tarError('TAR_DUPLICATE', where, `it is there twice, as ${before} and as ${entry.type}`);
    }
    if (entry.hasAcls) this.find('acl-not-kept', entry.name);
    if (!this.privileged && (entry.uid !== process.geteuid?.() || entry.gid !== process.getegid?.())) {
      this.find('owner-not-kept', entry.name);
    }
    switch (entry.type) {
      case 'directory':
        this.directory(place, entry);
        break;
      case 'file':
        await this.file(place, entry);
        break;
      case 'symlink':
        this.symlink(place, entry, where);
        break;
      case 'hardlink':
        this.hardlink(place, entry, where);
        break;
      default:
        if (!this.node(place, entry, where)) return;
    }
    this.written.set(place, kind);
  }

  /** Runs what makes a name; where the name is taken, what is there goes first. */
  private make(place: string, create: () => void): void {
    try {
      create();
    } catch (error) {
      const taken =
        isSystemError(error, 'EEXIST', 'EISDIR') ||
        (error instanceof Error && 'errno' in error && error.errno === 17);
      if (!taken) throw error;
      this.root.remove(place);
      create();
    }
  }

  private directory(place: string, entry: TarEntry): void {
    if (place !== '') {
      try {
        // Closed until its entries are in; owner and mode come at the end.
        mkdirSync(this.root.at(place), { mode: 0o700 });
      } catch (error) {
        if (!isSystemError(error, 'EEXIST')) throw error;
        if (!this.root.status(place)?.isDirectory()) {
          this.root.remove(place);
          mkdirSync(this.root.at(place), { mode: 0o700 });
        } else if (!this.privileged) chmodSync(this.root.at(place), 0o700);
      }
    }
    this.directories.add(place, entry);
  }

  private async file(place: string, entry: TarEntry): Promise<void> {
    const path = this.root.at(place);
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
    let descriptor = -1;
    this.make(place, () => {
      descriptor = openSync(path, flags, 0o600);
    });
    try {
      const whole = entry.takeBuffered();
      if (whole !== undefined) {
        writeAll(descriptor, whole, 0);
        this.bytes += whole.length;
      } else {
        for await (const { offset, bytes } of entry.segments()) {
          writeAll(descriptor, bytes, offset);
          this.bytes += bytes.length;
        }
        if (entry.extents !== undefined) ftruncateSync(descriptor, entry.size);
      }
      // chown(2) clears setuid bits and capabilities, so it comes first.
      if (this.privileged) fchownSync(descriptor, entry.uid, entry.gid);
      fchmodSync(descriptor, entry.mode);
      this.xattrs(path, entry);
      futimesSync(descriptor, entry.modified, entry.modified);
    } finally {
      closeSync(descriptor);
    }
  }

  private symlink(place: string, entry: TarEntry, where: string): void {
    if (entry.linkName === '') throw tarError('TAR_INVALID', where, 'the symbolic link has no target');
    const path = this.root.at(place);
    this.make(place, () => symlinkSync(entry.linkName, path));
    if (this.privileged) lchownSync(path, entry.uid, entry.gid);
    this.xattrs(path, entry);
    lutimesSync(path, entry.modified, entry.modified);
  }

  private hardlink(place: string, entry: TarEntry, where: string): void {
    if (entry.linkName === '') throw tarError('TAR_INVALID', where, 'the hard link has no target');
    const wanted = entryPath(entry.linkName, where, this.options.absolute);
    const target = this.root.locate(wanted, where, false);
    const status = target === undefined ? undefined : this.root.status(target);
    if (target === undefined || status === undefined || status.isDirectory()) {
      throw tarError(
        'TAR_LINK_TARGET',
        where,
        `the hard link leads to ${JSON.stringify(entry.linkName)}, which is ${status ? 'a directory' : 'not there'}`,
      );
    }
    if (target === place) return;
    this.make(place, () => linkSync(this.root.at(target), this.root.at(place)));
  }

  /** False where the entry was left out. */
  private node(place: string, entry: TarEntry, where: string): boolean {
    const { type } = entry;
    if (type !== 'fifo' && type !== 'character-device' && type !== 'block-device') return false;
    if (type !== 'fifo') {
      const { devices } = this.options;
      if (devices === 'refuse' || (devices === 'skip-in-dev' && !place.startsWith('dev/'))) {
        throw tarError('TAR_DEVICE', where, `it is a ${type.replace('-', ' ')}`);
      }
      if (devices !== 'create' || !this.privileged) {
        this.find('device-skipped', entry.name);
        return false;
      }
    }
    const path = this.root.at(place);
    this.make(place, () => makeNodeCall(path, type, 0o600, entry.deviceMajor, entry.deviceMinor));
    if (this.privileged) lchownSync(path, entry.uid, entry.gid);
    chmodSync(path, entry.mode);
    this.xattrs(path, entry);
    lutimesSync(path, entry.modified, entry.modified);
    return true;
  }

  private xattrs(path: string, entry: Pick<TarEntry, 'name' | 'xattrs'>): void {
    for (const [name, value] of entry.xattrs) {
      // overlayfs would act on its own attributes if the root became a layer of it: no archive may say so.
      const foreign = name.startsWith('trusted.overlay.') || name.startsWith('user.overlay.');
      try {
        if (!foreign) setXattrCall(path, name, value);
      } catch (error) {
        if (!(error instanceof KairosError)) throw error;
        this.find('xattr-not-kept', `${entry.name} (${name})`);
        continue;
      }
      if (foreign) this.find('xattr-not-kept', `${entry.name} (${name})`);
    }
  }

  private whiteout(path: string, base: string, where: string): void {
    const directory = path.slice(0, Math.max(0, path.length - base.length - 1));
    const keep = (place: string) => this.written.has(place);
    if (base === opaqueWhiteout) {
      const inside = this.root.locate(directory === '' ? 'x' : `${directory}/x`, where, false);
      if (inside !== undefined) this.root.clear(inside.slice(0, -2), keep);
      return;
    }
    // Other names of this form are notes of aufs to itself.
    if (base.startsWith('.wh..wh.')) return;
    const hidden = base.slice(whiteoutPrefix.length);
    if (hidden === '' || hidden === '.' || hidden === '..') {
      throw tarError('TAR_PATH_ESCAPES', where, 'it is a whiteout of no name');
    }
    const place = this.root.locate(directory === '' ? hidden : `${directory}/${hidden}`, where, false);
    if (place === undefined) return;
    const status = this.root.status(place);
    if (status === undefined) return;
    if (!this.written.has(place) && !status.isDirectory()) this.root.remove(place);
    else if (status.isDirectory() && this.root.clear(place, keep) && !this.written.has(place)) {
      this.root.remove(place);
    }
  }

  private finishDirectories(): void {
    this.directories.finish((path, entry) => {
      try {
        if (this.privileged) chownSync(path, entry.uid, entry.gid);
        chmodSync(path, entry.mode);
        this.xattrs(path, entry);
        utimesSync(path, entry.modified, entry.modified);
      } catch (error) {
        throw writeError(error, `${this.options.name}, entry ${JSON.stringify(entry.name)}`);
      }
    });
  }
}

function writeAll(descriptor: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(descriptor, bytes, done, bytes.length - done, position + done);
  }
}

function writeError(error: unknown, where: string): KairosError {
  if (isSystemError(error, 'ENOSPC', 'EDQUOT')) {
    return new KairosError('NO_SPACE', `No space left while unpacking ${where}`, {
      exit: 'noSpace',
      cause: error,
    });
  }
  if (
    isSystemError(error) ||
    error instanceof KairosError ||
    (error instanceof Error && 'syscall' in error)
  ) {
    return new KairosError('UNPACK_FAILED', `Cannot unpack ${where}: ${reasonOf(error)}`, { cause: error });
  }
  throw error;
}

/**
 * Unpacks a tar stream, or applies a layer, to a directory that is there. The stream is not compressed; see
 * `decompress`. Whatever the archive says, nothing outside of `root` is read or written; nobody else may write to
 * `root` meanwhile. Keeps owners and devices as root only, and says in the findings what it could not keep.
 * @throws KairosError `TAR_*` naming the entry, `NO_SPACE`, `UNPACK_FAILED`, `INTERRUPTED`, and what the stream throws
 */
export function applyLayer(
  stream: AsyncIterable<Uint8Array>,
  root: string,
  options: ApplyOptions,
): Promise<UnpackResult> {
  return new LayerWriter(root, options).apply(stream);
}
