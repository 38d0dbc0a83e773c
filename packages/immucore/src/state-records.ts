import { dashedPath, statePlaces } from '@kairos/facts/persistent-state';
import type { HostFiles } from '@kairos/host/host';
import { listingFromJson, listingToJson, type TreeListing } from '@kairos/host/tree-listing';
import { isOperation, type JournalOperation } from './state-journal.ts';
import type { MergeConflict } from './state-merge.ts';

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A file of JSON; `undefined` where there is none or it is damaged, which is as good as none. */
function readJson(files: HostFiles, path: string): unknown {
  const text = files.readTextIfAny(path);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** What an image shipped below a persistent path. */
export interface ShippedRecord {
  readonly schemaVersion: 1;
  readonly path: string;
  /** Identity of the image. */
  readonly image: string;
  readonly entries: TreeListing;
}

export function shippedRecordText({ entries, ...record }: ShippedRecord): string {
  return `${JSON.stringify({ ...record, entries: listingToJson(entries) })}\n`;
}

export function shippedRecordPlace(path: string): string {
  return `${statePlaces.shipped}/${dashedPath(path)}.json`;
}

export function readShippedRecord(
  files: HostFiles,
  stateTarget: string,
  path: string,
): ShippedRecord | undefined {
  const value = readJson(files, `${stateTarget}/${shippedRecordPlace(path)}`);
  if (!isRecord(value) || value.schemaVersion !== 1) return undefined;
  const entries = listingFromJson(value.entries);
  if (entries === undefined || typeof value.image !== 'string' || value.path !== path) return undefined;
  return { schemaVersion: 1, path, image: value.image, entries };
}

/** A conflict with the persistent path that it is in. */
export interface StateConflict extends MergeConflict {
  readonly path: string;
}

/** How the state came to be what it is. */
export interface StateSettled {
  /** Identity of the image that the state belongs to. */
  readonly image: string;
  /** Its version, for people. */
  readonly version?: string;
  /** The persistent paths that are ready for it. */
  readonly paths: readonly string[];
  /** Counts changes of images: tells two times of the same image apart. */
  readonly sequence: number;
  /** The image whose state this one was merged from; absent on a first boot. */
  readonly parent?: string;
  /** Whether the state that this image had left was brought back. */
  readonly restored: boolean;
  readonly conflicts: readonly StateConflict[];
}

/** `state.json`: read at every boot, and all that is read where the image is the one of the last boot. */
export interface StateRecord extends StateSettled {
  readonly schemaVersion: 1;
  /** A merge that is under way. It is finished whatever image runs next, since all it needs is in the state. */
  readonly pending?: { readonly operations: readonly JournalOperation[]; readonly settled: StateSettled };
}

function settledOf(value: unknown): StateSettled | undefined {
  if (!isRecord(value)) return undefined;
  const whole =
    typeof value.image === 'string' &&
    Array.isArray(value.paths) &&
    value.paths.every((path) => typeof path === 'string') &&
    Number.isSafeInteger(value.sequence) &&
    typeof value.restored === 'boolean' &&
    Array.isArray(value.conflicts) &&
    (value.parent === undefined || typeof value.parent === 'string');
  return whole ? (value as unknown as StateSettled) : undefined;
}

export function readStateRecord(files: HostFiles, stateTarget: string): StateRecord | undefined {
  const value = readJson(files, `${stateTarget}/${statePlaces.record}`);
  if (!isRecord(value) || value.schemaVersion !== 1 || settledOf(value) === undefined) return undefined;
  if (value.pending !== undefined) {
    const { pending } = value;
    if (!isRecord(pending) || !Array.isArray(pending.operations)) return undefined;
    if (!pending.operations.every(isOperation) || settledOf(pending.settled) === undefined) return undefined;
  }
  return value as unknown as StateRecord;
}

export function writeStateRecord(files: HostFiles, stateTarget: string, record: StateRecord): void {
  files.write(`${stateTarget}/${statePlaces.record}`, `${JSON.stringify(record)}\n`, { mode: 0o600 });
}

/** `snapshot.json`: the configuration as an image left it. */
export interface SnapshotRecord {
  readonly schemaVersion: 1;
  readonly image: string;
  readonly version?: string;
  readonly sequence: number;
  readonly parent?: string;
  /** The image had proved good with this state. One that had not is kept for people, and not brought back. */
  readonly proven: boolean;
  readonly paths: readonly string[];
}

export function readSnapshotRecord(files: HostFiles, directory: string): SnapshotRecord | undefined {
  const value = readJson(files, `${directory}/snapshot.json`);
  if (!isRecord(value) || value.schemaVersion !== 1) return undefined;
  const whole =
    typeof value.image === 'string' &&
    Number.isSafeInteger(value.sequence) &&
    typeof value.proven === 'boolean' &&
    Array.isArray(value.paths) &&
    value.paths.every((path) => typeof path === 'string');
  return whole ? (value as unknown as SnapshotRecord) : undefined;
}

/** `proven.json`: the configuration when the image of this sequence proved good. */
export interface ProvenState {
  readonly image: string;
  readonly sequence: number;
  readonly paths: ReadonlyMap<string, TreeListing>;
}

export function readProvenState(files: HostFiles, stateTarget: string): ProvenState | undefined {
  const value = readJson(files, `${stateTarget}/${statePlaces.proven}`);
  if (!isRecord(value) || value.schemaVersion !== 1 || !isRecord(value.paths)) return undefined;
  if (typeof value.image !== 'string' || !Number.isSafeInteger(value.sequence)) return undefined;
  const paths = new Map<string, TreeListing>();
  for (const [path, entries] of Object.entries(value.paths)) {
    const listing = listingFromJson(entries);
    if (listing !== undefined) paths.set(path, listing);
  }
  return { image: value.image, sequence: Number(value.sequence), paths };
}
