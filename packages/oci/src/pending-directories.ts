import { tarError } from './tar-header.ts';
import type { TarEntry } from './tar-read.ts';
import type { UnpackRoot } from './unpack-root.ts';

/** Bytes of the extended attributes that wait. */
const maximumKept = 64 * 1024 * 1024;

/** What a directory gets when its entries are in. */
export type DirectoryMetadata = Pick<TarEntry, 'name' | 'uid' | 'gid' | 'mode' | 'modified' | 'xattrs'>;

/**
 * What directories of an archive get at its end: times change while entries come, and a mode could close a directory to
 * what is still to be put there.
 */
export class PendingDirectories {
  private readonly entries = new Map<string, DirectoryMetadata>();
  private kept = 0;

  constructor(
    private readonly root: UnpackRoot,
    /** Of the archive, for messages. */
    private readonly name: string,
  ) {}

  /** @throws KairosError `TAR_TOO_LARGE` */
  add(place: string, { name, uid, gid, mode, modified, xattrs }: TarEntry): void {
    for (const [key, value] of xattrs) this.kept += key.length + value.length;
    if (this.kept > maximumKept) {
      throw tarError(
        'TAR_TOO_LARGE',
        this.name,
        `the extended attributes of its directories have more than ${maximumKept} bytes`,
      );
    }
    this.entries.set(place, { name, uid, gid, mode, modified, xattrs });
  }

  /**
   * Gives the directories that were written into and that no entry describes what they had, and describes the others, what
   * is inside before what it is in, which may close it.
   */
  finish(describe: (path: string, entry: DirectoryMetadata) => void): void {
    this.root.restoreDirectories((place) => this.entries.has(place));
    const isThere = this.root.directoryCheck();
    for (const place of [...this.entries.keys()].sort().reverse()) {
      const entry = this.entries.get(place);
      // A link may have taken the place of a directory above it, and what describes it would follow that.
      if (entry !== undefined && isThere(place)) describe(this.root.at(place), entry);
    }
  }
}
