import { parentOf, type TreeEntry, type TreeListing, treeRoot } from '@kairos/host/tree-listing';

/** Owner and mode; what is absent stays as it is. */
export interface Attributes {
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
}

/** One change of a tree. Names are relative to its root. */
export type MergeStep =
  /** The new version, a whole tree where it is a directory, with these attributes instead of its own. */
  | { readonly kind: 'put'; readonly name: string; readonly attributes: Attributes }
  /** The new version under another name, because what is there stays. */
  | { readonly kind: 'beside'; readonly name: string; readonly as: string }
  /** What is there gets another name. */
  | { readonly kind: 'aside'; readonly name: string; readonly as: string; readonly replaced: boolean }
  /** A file, a link, or a directory that is empty by now. */
  | { readonly kind: 'remove'; readonly name: string; readonly directory: boolean }
  | { readonly kind: 'attributes'; readonly name: string; readonly attributes: Attributes };

/** Something that both sides changed, and what became of it. */
export interface MergeConflict {
  readonly name: string;
  /**
   * - `changed by both`: two versions, one of them under the name in `beside`.
   * - `removed from the image`: the user's version stays, or is the one in `beside`.
   */
  readonly what: 'changed by both' | 'removed from the image';
  /** The name under which the version that did not get the place is kept. */
  readonly beside?: string;
}

export interface MergePlan {
  readonly steps: readonly MergeStep[];
  readonly conflicts: readonly MergeConflict[];
}

export interface MergeRequest {
  /** What was there when the two sides parted: what the image shipped that was merged last. */
  readonly base: TreeListing;
  /** What the image ships that is merged now. */
  readonly next: TreeListing;
  /**
   * What is there: at least all that `base` and `next` name, and of a directory that goes, all that it holds.
   */
  readonly now: TreeListing;
  /**
   * Who keeps the place where both changed something: `now`, the user, with the new version beside; or `next`, with
   * the user's beside.
   */
  readonly wins: 'now' | 'next';
}

const suffixes = { now: '.kairos-new', next: '.kairos-kept' } as const;
/** Bytes that ext4 and most file systems allow in a name. */
const longestName = 255;

/** Cuts a text to a number of bytes of UTF-8 without cutting a character. */
function cutTo(text: string, bytes: number): string {
  let length = 0;
  let result = '';
  for (const character of text) {
    length += Buffer.byteLength(character);
    if (length > bytes) break;
    result += character;
  }
  return result;
}

/** The name beside an entry, one that neither image uses. */
function nameBeside(name: string, suffix: string, isTaken: (name: string) => boolean): string {
  const directory = name.slice(0, name.lastIndexOf('/') + 1);
  const own = name.slice(directory.length);
  for (let number = 1; ; number++) {
    const end = number === 1 ? suffix : `${suffix}-${number}`;
    const candidate = `${directory}${cutTo(own, longestName - end.length)}${end}`;
    if (!isTaken(candidate)) return candidate;
  }
}

/** Whether two entries hold the same; mode and owner are merged on their own, except those of links, which cannot be set. */
function sameContent(a: TreeEntry, b: TreeEntry): boolean {
  if (a.type !== b.type) return false;
  switch (a.type) {
    case 'file':
      return a.size === b.size && a.sha256 !== undefined && a.sha256 === b.sha256;
    case 'symlink':
      return a.target === b.target && a.uid === b.uid && a.gid === b.gid;
    default:
      return true;
  }
}

/**
 * Merges what two images ship with what users made of the first. Every entry by itself: what only one side changed is
 * as that side has it; what the user deleted stays away; what both changed goes by {@link MergeRequest.wins}, and the
 * other version is kept beside. A directory goes only when nothing is left in it. Pure: reads no file.
 */
export function planMerge({ base, next, now, wins }: MergeRequest): MergePlan {
  const steps: MergeStep[] = [];
  const conflicts: MergeConflict[] = [];
  const children = new Map<string, string[]>();
  const seen = new Set<string>();
  for (const listing of [base, next, now]) {
    for (const name of listing.keys()) {
      if (name === treeRoot || seen.has(name)) continue;
      seen.add(name);
      const parent = parentOf(name);
      const siblings = children.get(parent);
      if (siblings === undefined) children.set(parent, [name]);
      else siblings.push(name);
    }
  }
  const childrenOf = (name: string): string[] => (children.get(name) ?? []).sort();
  const taken = new Set<string>();
  const beside = (name: string): string => {
    const as = nameBeside(
      name,
      suffixes[wins],
      (one) => base.has(one) || next.has(one) || taken.has(one) || now.get(one)?.type === 'directory',
    );
    taken.add(as);
    return as;
  };

  /** An attribute that only the image changed is as it ships it. */
  const attributesOf = (b: TreeEntry | undefined, n: TreeEntry, c: TreeEntry): Attributes => {
    const of = (key: 'mode' | 'uid' | 'gid'): number => {
      if (b === undefined) return c[key];
      if (b[key] === n[key]) return c[key];
      return c[key] === b[key] || wins === 'next' ? n[key] : c[key];
    };
    return { mode: of('mode'), uid: of('uid'), gid: of('gid') };
  };
  const settleAttributes = (name: string, b: TreeEntry | undefined, n: TreeEntry, c: TreeEntry): void => {
    if (n.type !== c.type || n.type === 'symlink') return;
    const wanted = attributesOf(b?.type === n.type ? b : undefined, n, c);
    if (wanted.mode === c.mode && wanted.uid === c.uid && wanted.gid === c.gid) return;
    steps.push({ kind: 'attributes', name, attributes: wanted });
  };
  const put = (name: string, attributes: Attributes = {}): void => {
    steps.push({ kind: 'put', name, attributes });
  };
  const conflict = (name: string): void => {
    const as = beside(name);
    conflicts.push({ name, what: 'changed by both', beside: as });
    if (wins === 'now') {
      steps.push({ kind: 'beside', name, as });
    } else {
      steps.push({ kind: 'aside', name, as, replaced: true });
      put(name);
    }
  };
  const differsBelow = (name: string): boolean => {
    const [b, n] = [base.get(name), next.get(name)];
    if (b === undefined || n === undefined || !sameContent(b, n)) return b !== n;
    return childrenOf(name).some(differsBelow);
  };

  /** Plans for one entry and all below it; gives whether anything is there afterwards. */
  const visit = (name: string): boolean => {
    const [b, n, c] = [base.get(name), next.get(name), now.get(name)];
    if (c === undefined) {
      if (n === undefined) return false;
      // Deleted by the user, unless nobody had it before. A slot that gets its own state back misses nothing of it.
      const isNew = b === undefined || (wins === 'next' && differsBelow(name));
      if (isNew) put(name);
      return isNew;
    }
    if (n === undefined && b === undefined) return true;
    if (c.type === 'directory' && n?.type === 'directory') {
      settleAttributes(name, b, n, c);
      for (const child of childrenOf(name)) visit(child);
      return true;
    }
    if (c.type === 'directory' && b?.type === 'directory') {
      const left = childrenOf(name).filter(visit);
      if (left.length > 0) {
        if (n !== undefined) conflict(name);
        return true;
      }
      steps.push({ kind: 'remove', name, directory: true });
      if (n !== undefined) put(name);
      return n !== undefined;
    }
    if (n === undefined) {
      if (b !== undefined && sameContent(b, c)) {
        steps.push({ kind: 'remove', name, directory: false });
        return false;
      }
      if (wins === 'now') {
        conflicts.push({ name, what: 'removed from the image' });
      } else {
        const as = beside(name);
        steps.push({ kind: 'aside', name, as, replaced: false });
        conflicts.push({ name, what: 'removed from the image', beside: as });
      }
      return true;
    }
    if (sameContent(n, c) || (b !== undefined && sameContent(b, n))) {
      settleAttributes(name, b, n, c);
      return true;
    }
    if (b !== undefined && sameContent(b, c)) {
      put(name, n.type === 'file' && c.type === 'file' ? attributesOf(b, n, c) : {});
      return true;
    }
    conflict(name);
    return true;
  };

  const root = [base.get(treeRoot), next.get(treeRoot), now.get(treeRoot)] as const;
  if (root[1] !== undefined && root[2] !== undefined)
    settleAttributes(treeRoot, ...(root as [TreeEntry | undefined, TreeEntry, TreeEntry]));
  for (const name of childrenOf(treeRoot)) visit(name);
  return { steps, conflicts };
}
