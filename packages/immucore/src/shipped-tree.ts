import type { Host } from '@kairos/host/host';

/** One entry of a tree as an image shipped it. */
export interface ShippedEntry {
  readonly type: 'file' | 'directory' | 'symlink' | 'other';
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes of a file. */
  readonly size?: number;
  /** SHA-256 of a file's content, hexadecimal. */
  readonly sha256?: string;
  /** Target of a symbolic link. */
  readonly target?: string;
}

/** What an image shipped below a persistent path, by relative path. */
export interface SeedRecord {
  readonly schemaVersion: 1;
  readonly path: string;
  /** Identity of the image. */
  readonly image: string;
  readonly entries: Readonly<Record<string, ShippedEntry>>;
}

/** Lists a tree, parents before children. Does not enter what is mounted inside it. */
export function shippedTree(host: Host, path: string): Record<string, ShippedEntry> {
  const mounted = new Set(host.mounts().map((mount) => mount.target));
  const entries: Record<string, ShippedEntry> = {};
  const visit = (directory: string, prefix: string): void => {
    for (const name of host.files.list(directory)) {
      const place = `${directory}/${name}`;
      const relative = `${prefix}${name}`;
      const status = host.files.status(place);
      if (status === undefined || mounted.has(place)) continue;
      const { mode, uid, gid } = status;
      switch (status.kind) {
        case 'file':
          entries[relative] = {
            type: 'file',
            mode,
            uid,
            gid,
            size: status.size,
            sha256: host.files.sha256(place),
          };
          break;
        case 'symlink':
          entries[relative] = { type: 'symlink', mode, uid, gid, target: host.files.readLink(place) };
          break;
        case 'directory':
          entries[relative] = { type: 'directory', mode, uid, gid };
          visit(place, `${relative}/`);
          break;
        default:
          entries[relative] = { type: 'other', mode, uid, gid };
      }
    }
  };
  visit(path, '');
  return entries;
}

/** Reads a record; `undefined` where it is damaged or of another version, which is as good as none. */
export function parseSeedRecord(text: string | undefined): SeedRecord | undefined {
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null) return undefined;
    const record = value as Partial<SeedRecord>;
    const whole =
      record.schemaVersion === 1 &&
      typeof record.path === 'string' &&
      typeof record.image === 'string' &&
      typeof record.entries === 'object' &&
      record.entries !== null;
    return whole ? (record as SeedRecord) : undefined;
  } catch {
    // A record cut short by a power failure of an older version: the tree is compared anew.
    return undefined;
  }
}

/**
 * The topmost entries of the image that the persistent tree must gain: not there, and not known from the image before.
 * What was known and is gone has been deleted by the user, together with all below it.
 */
export function missingEntries(
  shipped: Readonly<Record<string, ShippedEntry>>,
  known: Readonly<Record<string, ShippedEntry>> | undefined,
  isThere: (relative: string) => boolean,
): string[] {
  const missing: string[] = [];
  const closed: string[] = [];
  for (const relative of Object.keys(shipped)) {
    if (closed.some((parent) => relative.startsWith(`${parent}/`))) continue;
    if (isThere(relative)) continue;
    closed.push(relative);
    if (known === undefined || !Object.hasOwn(known, relative)) missing.push(relative);
  }
  return missing;
}
