import { reasonOf } from '@kairos/facts/errors';
import { imageKey, persistentDirectory, statePlaces } from '@kairos/facts/persistent-state';
import type { Host, HostFiles } from '@kairos/host/host';
import { StateChange } from './state-change.ts';
import { carryOutJournal } from './state-journal.ts';
import {
  readShippedRecord,
  readSnapshotRecord,
  readStateRecord,
  type SnapshotRecord,
  type StateRecord,
  type StateSettled,
  writeStateRecord,
} from './state-records.ts';
import { seedState } from './state-seed.ts';

/** What {@link settleState} came to. */
export interface StateOutcome {
  /** Paths without a directory to bind, with the reason. */
  readonly failures: ReadonlyMap<string, string>;
  /** What was not done as it should; the paths can be used as they are. */
  readonly problems: readonly string[];
  /** What was done, for the report; `undefined` at an ordinary boot. */
  readonly note: string | undefined;
}

/** Images whose configuration is kept, the newest. */
const keptSnapshots = 3;

/** The image that is booted. */
export interface BootedImage {
  /** Its identity: the root hash of dm-verity. */
  readonly image: string;
  /** Its version, for people. */
  readonly version?: string;
}

/** Carries out what a record says is under way, and says so in the record. */
async function finish(host: Host, stateTarget: string, record: StateRecord): Promise<string[]> {
  if (record.pending === undefined) return [];
  const { operations, settled } = record.pending;
  const problems = carryOutJournal(host.files, stateTarget, operations);
  // Before the record, so that nothing of it stays behind; copies that still were to be moved have been.
  host.files.remove(`${stateTarget}/${statePlaces.merge}`);
  await host.run(['sync']);
  writeStateRecord(host.files, stateTarget, { schemaVersion: 1, ...settled });
  return problems;
}

/** The snapshot that the image gets back: its own, and one of a state that was good or that the present one came from. */
function ownSnapshot(
  files: HostFiles,
  stateTarget: string,
  image: string,
  record: StateSettled | undefined,
): SnapshotRecord | undefined {
  if (record === undefined || record.image === image) return undefined;
  const found = readSnapshotRecord(files, `${stateTarget}/${statePlaces.snapshots}/${imageKey(image)}`);
  return found?.image === image && (found.proven || record.parent === image) ? found : undefined;
}

/** Removes the snapshots of images that were left long ago, and what is none. */
function pruneSnapshots(files: HostFiles, stateTarget: string): void {
  const root = `${stateTarget}/${statePlaces.snapshots}`;
  const found = files
    .list(root)
    .map((name) => ({ name, sequence: readSnapshotRecord(files, `${root}/${name}`)?.sequence ?? -1 }))
    .sort((a, b) => b.sequence - a.sequence);
  for (const { name, sequence } of found.slice(keptSnapshots)) {
    if (sequence >= 0) files.remove(`${root}/${name}`);
  }
  for (const { name, sequence } of found) if (sequence < 0) files.remove(`${root}/${name}`);
}

/**
 * Makes the persistent directories fit the image that is booted. Where it is the image of the last boot, that is one
 * small file read. Else directories that are missing are filled, and the others merged: what the last image shipped,
 * what this one ships, what is there now; an image that comes back gets its own configuration back. docs/state.md has
 * the rules.
 *
 * All is prepared beside and synced, then a journal is written, then the changes are made: a power cut leaves the old
 * state or a journal that the next boot finishes, whatever image that boots.
 *
 * @throws what a program or the disk reports where not even the directories can be made
 */
export async function settleState(
  host: Host,
  paths: readonly string[],
  stateTarget: string,
  { image, version }: BootedImage,
): Promise<StateOutcome> {
  const { files } = host;
  const statusOf = (path: string) => files.status(persistentDirectory(stateTarget, path));
  const problems: string[] = [];
  const notes: string[] = [];
  let record = readStateRecord(files, stateTarget);
  if (record !== undefined && record.pending === undefined && record.image === image) {
    const ready = new Set(record.paths);
    if (paths.every((path) => ready.has(path) && statusOf(path)?.kind === 'directory')) {
      return { failures: new Map(), problems, note: undefined };
    }
  }
  if (record?.pending !== undefined) {
    notes.push('finished a merge that was cut off');
    problems.push(...(await finish(host, stateTarget, record)));
    record = readStateRecord(files, stateTarget);
  }

  const absent = paths.filter((path) => statusOf(path)?.kind !== 'directory');
  const failures = new Map(await seedState(host, absent, stateTarget, image));
  const ready = paths.filter((path) => !failures.has(path));
  if (absent.length > failures.size) notes.push(`made ${absent.length - failures.size} directories`);
  const others = ready.flatMap((path) => {
    if (absent.includes(path)) return [];
    const shipped = readShippedRecord(files, stateTarget, path);
    return shipped?.image === image ? [] : [{ path, shipped }];
  });

  const known = others.find(({ shipped }) => shipped !== undefined)?.shipped;
  const previous: StateSettled | undefined =
    record ?? (known && { image: known.image, paths: ready, sequence: 0, restored: false, conflicts: [] });
  const snapshot = ownSnapshot(files, stateTarget, image, previous);
  const change = new StateChange(host, stateTarget, image, previous, snapshot);
  files.remove(`${stateTarget}/${statePlaces.merge}`);
  if (previous !== undefined && previous.image !== image) {
    try {
      await change.keepSnapshot(previous);
    } catch (error) {
      problems.push(
        `the configuration of the image before could not be kept for a rollback: ${reasonOf(error)}`,
      );
    }
  }
  const unmerged = new Set<string>();
  for (const { path, shipped } of others) {
    try {
      await change.merge(path, shipped);
    } catch (error) {
      unmerged.add(path);
      problems.push(`${path} stays as the image before had it: ${reasonOf(error)}`);
    }
  }
  change.dropSnapshot();
  if (change.tooLarge.length > 0) {
    notes.push(`too large for a copy that a rollback brings back: ${change.tooLarge.join(', ')}`);
  }

  const isSame = previous?.image === image;
  const parent = isSame ? previous.parent : (snapshot?.parent ?? (snapshot ? undefined : previous?.image));
  const settled: StateSettled = {
    ...{ image, paths: ready.filter((path) => !unmerged.has(path)) },
    ...(version === undefined ? {} : { version }),
    sequence: (previous?.sequence ?? 0) + (isSame ? 0 : 1),
    ...(parent === undefined ? {} : { parent }),
    restored: isSame ? previous.restored : snapshot !== undefined,
    conflicts: [...(isSame ? previous.conflicts : []), ...change.conflicts],
  };
  if (change.operations.length > 0) {
    await host.run(['sync']);
    const before = previous ?? { ...settled, paths: [], sequence: 0 };
    const pending: StateRecord = {
      ...{ schemaVersion: 1, ...before },
      pending: { operations: change.operations, settled },
    };
    writeStateRecord(files, stateTarget, pending);
    problems.push(...(await finish(host, stateTarget, pending)));
    notes.push(
      `${snapshot ? 'brought back' : 'merged'} ${change.merged.length} paths with ${change.changes} changes`,
    );
  } else {
    writeStateRecord(files, stateTarget, { schemaVersion: 1, ...settled });
  }
  for (const { path, name, what, beside } of change.conflicts) {
    notes.push(`${path}/${name}: ${what}${beside === undefined ? '' : `, see ${beside}`}`);
  }
  pruneSnapshots(files, stateTarget);
  return { failures, problems, note: notes.join('; ') || undefined };
}
