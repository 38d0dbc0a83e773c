import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  rmSync,
  type Stats,
  utimesSync,
} from 'node:fs';
import { isSystemError } from '@kairos/facts/errors';
import { tarError } from './tar-header.ts';

/** Symbolic links followed in one path, as the kernel's own limit (path_resolution(7)). */
const maximumLinks = 40;

export interface UnpackRootOptions {
  /**
   * What to do where a symbolic link stands for a directory in an entry's path: `refuse`, or `inside`: find the
   * place as a process would for which the root is `/`, which is how layers built on a merged `/usr` are meant. No
   * link is ever followed by the kernel.
   */
  readonly links: 'refuse' | 'inside';
  /** Whether this process writes into directories whatever their mode. */
  readonly privileged: boolean;
}

/** What a directory had before something was written into it. */
interface Restore {
  readonly accessed: number;
  readonly modified: number;
  readonly mode?: number;
}

/**
 * A directory that hostile archives are unpacked to. Every path is walked component by component and checked with
 * lstat(2), so that nothing outside of it is touched whatever links lie in it.
 */
export class UnpackRoot {
  /** Requested directory → where it really is, both relative to the root. Only directories that are no links. */
  private readonly known = new Map<string, string>([['', '']]);
  private readonly restore = new Map<string, Restore>();

  constructor(
    private readonly root: string,
    private readonly options: UnpackRootOptions,
  ) {
    this.remember('', lstatSync(root));
  }

  /** Absolute path of a place below the root. */
  at(relative: string): string {
    return relative === '' ? this.root : `${this.root}/${relative}`;
  }

  status(relative: string): Stats | undefined {
    try {
      return lstatSync(this.at(relative), { throwIfNoEntry: false });
    } catch (error) {
      if (isSystemError(error, 'ENOTDIR')) return undefined;
      throw error;
    }
  }

  /**
   * Where an entry really goes, its directory checked. Makes missing directories with `create`; without, a missing
   * directory gives `undefined`.
   * @throws KairosError `TAR_THROUGH_LINK`, `TAR_NOT_A_DIRECTORY`
   */
  locate(relative: string, where: string, create: true): string;
  locate(relative: string, where: string, create: boolean): string | undefined;
  locate(relative: string, where: string, create: boolean): string | undefined {
    const slash = relative.lastIndexOf('/');
    if (slash < 0) return relative;
    const directory = this.directory(relative.slice(0, slash), where, create, 0);
    if (directory === undefined) return undefined;
    const base = relative.slice(slash + 1);
    return directory === '' ? base : `${directory}/${base}`;
  }

  private directory(relative: string, where: string, create: boolean, links: number): string | undefined {
    const known = this.known.get(relative);
    if (known !== undefined) return known;
    const slash = relative.lastIndexOf('/');
    const parent = slash < 0 ? '' : this.directory(relative.slice(0, slash), where, create, links);
    if (parent === undefined) return undefined;
    const base = relative.slice(slash + 1);
    const place = parent === '' ? base : `${parent}/${base}`;
    let status = this.status(place);
    if (status === undefined) {
      if (!create) return undefined;
      mkdirSync(this.at(place), { mode: 0o755 });
      status = lstatSync(this.at(place));
      // A directory that no entry describes gets the same time wherever and whenever it is unpacked.
      this.restore.set(place, { accessed: 0, modified: 0 });
    }
    let found: string | undefined = place;
    if (status.isSymbolicLink()) {
      found = this.followed(parent, place, relative, where, create, links);
      if (found === undefined) return undefined;
    } else if (!status.isDirectory()) {
      if (!create) return undefined;
      throw tarError('TAR_NOT_A_DIRECTORY', where, `${JSON.stringify(relative)} is not a directory`);
    } else {
      this.remember(place, status);
    }
    this.known.set(relative, found);
    return found;
  }

  private followed(
    parent: string,
    place: string,
    relative: string,
    where: string,
    create: boolean,
    links: number,
  ): string | undefined {
    const target = readlinkSync(this.at(place));
    const refuse = (reason: string) =>
      tarError(
        'TAR_THROUGH_LINK',
        where,
        `its path goes through the symbolic link ${JSON.stringify(relative)} to ${JSON.stringify(target)}${reason}`,
      );
    if (this.options.links === 'refuse') throw refuse('');
    if (links >= maximumLinks) throw refuse(', and there are too many');
    let at: string | undefined = target.startsWith('/') ? '' : parent;
    for (const component of target.split('/')) {
      if (component === '' || component === '.') continue;
      if (component === '..') {
        if (at === '') throw refuse(', which leads out of the root');
        at = at.includes('/') ? at.slice(0, at.lastIndexOf('/')) : '';
      } else {
        at = this.directory(at === '' ? component : `${at}/${component}`, where, create, links + 1);
        if (at === undefined) return undefined;
      }
    }
    return at;
  }

  private remember(place: string, status: Stats): void {
    if (this.restore.has(place)) return;
    const locked = !this.options.privileged && (status.mode & 0o700) !== 0o700;
    if (locked) chmodSync(this.at(place), (status.mode & 0o7777) | 0o700);
    this.restore.set(place, {
      accessed: status.atimeMs / 1000,
      modified: status.mtimeMs / 1000,
      ...(locked ? { mode: status.mode & 0o7777 } : {}),
    });
  }

  /** Removes a file or a tree. Paths that were walked before are walked again. */
  remove(relative: string): void {
    rmSync(this.at(relative), { recursive: true, force: true });
    this.forgetPaths();
  }

  /** To be called when something that could be part of a path is replaced. */
  forgetPaths(): void {
    this.known.clear();
    this.known.set('', '');
  }

  /** Removes what is below a directory, except what `keep` says, and what is left empty by that. True if nothing is left. */
  clear(relative: string, keep: (relative: string) => boolean): boolean {
    this.forgetPaths();
    return this.clearBelow(relative, keep);
  }

  private clearBelow(relative: string, keep: (relative: string) => boolean): boolean {
    let empty = true;
    for (const entry of readdirSync(this.at(relative), { withFileTypes: true })) {
      const place = relative === '' ? entry.name : `${relative}/${entry.name}`;
      const emptied = !entry.isDirectory() || this.clearBelow(place, keep);
      if (keep(place) || !emptied) empty = false;
      else rmSync(this.at(place), { recursive: true, force: true });
    }
    return empty;
  }

  /**
   * Which of some places are directories now, and so is all that is above them: what was there when a place was walked
   * may have been replaced since, also by a link that leads elsewhere.
   */
  directoryCheck(): (relative: string) => boolean {
    // The root is what it was given as, be it a link.
    const known = new Map<string, boolean>([['', true]]);
    const check = (relative: string): boolean => {
      const found = known.get(relative);
      if (found !== undefined) return found;
      const slash = relative.lastIndexOf('/');
      const parent = slash < 0 ? '' : relative.slice(0, slash);
      const is = check(parent) && this.status(relative)?.isDirectory() === true;
      known.set(relative, is);
      return is;
    };
    return check;
  }

  /** Gives directories that were written into, and that no entry describes, their times and modes back. */
  restoreDirectories(described: (relative: string) => boolean): void {
    const isThere = this.directoryCheck();
    for (const [place, { accessed, modified, mode }] of this.restore) {
      // A whiteout or a file may have taken its place since.
      if (described(place) || !isThere(place)) continue;
      if (mode !== undefined) chmodSync(this.at(place), mode);
      utimesSync(this.at(place), accessed, modified);
    }
  }
}
