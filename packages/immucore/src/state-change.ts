import {
  dashedPath,
  imageKey,
  isConfigurationPath,
  largestConfiguration,
  persistentDirectory,
  statePlaces,
} from '@kairos/facts/persistent-state';
import { formatSize } from '@kairos/facts/size';
import type { Host } from '@kairos/host/host';
import { listNamed, listTree, sizeBelow, type TreeListing, treeRoot } from '@kairos/host/tree-listing';
import { type JournalOperation, setAttributes } from './state-journal.ts';
import { type MergePlan, type MergeRequest, type MergeStep, planMerge } from './state-merge.ts';
import {
  readProvenState,
  type ShippedRecord,
  type SnapshotRecord,
  type StateConflict,
  type StateSettled,
  shippedRecordPlace,
  shippedRecordText,
} from './state-records.ts';

/** Bytes of names that one program is given at once. */
const longestArguments = 100_000;

/** The copy of each name's tree, made below the staging directory under the same name. */
async function stageCopies(host: Host, from: string, to: string, names: readonly string[]): Promise<void> {
  host.files.makeDirectory(to);
  let batch: string[] = [];
  let length = 0;
  const flush = async (): Promise<void> => {
    if (batch.length === 0) return;
    await host.run(['cp', '-a', '-x', '--parents', '-t', host.files.real(to), '--', ...batch], {
      cwd: `${host.files.real(from)}/.`,
    });
    batch = [];
    length = 0;
  };
  for (const name of names) {
    length += Buffer.byteLength(name) + 3;
    if (length > longestArguments) await flush();
    batch.push(`./${name}`);
  }
  await flush();
}

/** A step of a plan as an operation of the journal; the copy that it needs is staged. */
function operationOf(step: MergeStep, staging: string, own: string): JournalOperation {
  const place = step.name === treeRoot ? own : `${own}/${step.name}`;
  const copy = `${staging}/${step.name}`;
  switch (step.kind) {
    case 'put':
      return { kind: 'move', from: copy, to: place, over: 'no filled directory' };
    case 'beside':
      return { kind: 'move', from: copy, to: `${own}/${step.as}`, over: 'anything' };
    case 'aside': {
      const to = `${own}/${step.as}`;
      return step.replaced
        ? { kind: 'aside', from: place, to, for: copy }
        : { kind: 'aside', from: place, to };
    }
    case 'remove':
      return { kind: 'remove', path: place, directory: step.directory };
    case 'attributes':
      return { kind: 'attributes', path: place, attributes: step.attributes };
  }
}

/** Stages what a plan puts somewhere and gives the operations that carry the plan out. */
async function prepare(
  host: Host,
  stateTarget: string,
  path: string,
  plan: MergePlan,
  source: string,
): Promise<JournalOperation[]> {
  const staging = `${statePlaces.merge}/${dashedPath(path)}`;
  const needed = plan.steps.filter(({ kind }) => kind === 'put' || kind === 'beside');
  const names = needed.map(({ name }) => name);
  await stageCopies(host, source, `${stateTarget}/${staging}`, names);
  for (const step of plan.steps) {
    if (step.kind === 'put') {
      setAttributes(host.files, `${stateTarget}/${staging}/${step.name}`, step.attributes);
    }
  }
  return plan.steps.map((step) => operationOf(step, staging, `${dashedPath(path)}.bind`));
}

/** What goes into the directory of one path when the image changes. */
interface PathMerge {
  readonly operations: readonly JournalOperation[];
  readonly conflicts: readonly StateConflict[];
  readonly changes: number;
}

/** What has to be done where the state belonged to another image: collected, and nothing changed yet. */
export class StateChange {
  /** Configuration that is too large for a snapshot. */
  readonly tooLarge: string[] = [];
  readonly operations: JournalOperation[] = [];
  readonly conflicts: StateConflict[] = [];
  readonly merged: string[] = [];
  changes = 0;
  private readonly mounted: ReadonlySet<string>;

  constructor(
    private readonly host: Host,
    private readonly stateTarget: string,
    private readonly image: string,
    private readonly previous: StateSettled | undefined,
    readonly snapshot: SnapshotRecord | undefined,
  ) {
    this.mounted = new Set(host.mounts().map(({ target }) => target));
  }

  private get snapshotPlace(): string {
    return `${statePlaces.snapshots}/${imageKey(this.image)}`;
  }

  /** Merges one path. Throws where that cannot be prepared; nothing has been changed then. */
  async merge(path: string, known: ShippedRecord | undefined): Promise<void> {
    const { host, stateTarget, image } = this;
    const { files } = host;
    const shipped = listTree(files, path, this.mounted);
    const restored = this.snapshot?.paths.includes(path) ? await this.restore(path) : undefined;
    const result = restored ?? (await this.mergeShipped(path, known, shipped));
    const record = `${statePlaces.merge}/${dashedPath(path)}.json`;
    files.write(
      `${stateTarget}/${record}`,
      shippedRecordText({ schemaVersion: 1, path, image, entries: shipped }),
      { mode: 0o600 },
    );
    this.operations.push(...result.operations, {
      ...{ kind: 'move', from: record, to: shippedRecordPlace(path), over: 'anything' },
    });
    this.conflicts.push(...result.conflicts);
    this.changes += result.changes;
    this.merged.push(path);
  }

  private async plan(path: string, request: MergeRequest, source: string): Promise<PathMerge> {
    const plan = planMerge(request);
    return {
      operations: await prepare(this.host, this.stateTarget, path, plan, source),
      conflicts: plan.conflicts.map((conflict) => ({ path, ...conflict })),
      changes: plan.steps.length,
    };
  }

  private mergeShipped(
    path: string,
    known: ShippedRecord | undefined,
    next: TreeListing,
  ): Promise<PathMerge> {
    const base: TreeListing = known?.entries ?? new Map();
    const now = listNamed(this.host.files, persistentDirectory(this.stateTarget, path), [base, next]);
    return this.plan(path, { base, next, now, wins: 'now' }, path);
  }

  /** The image's own configuration, as it had left it, with what the user changed since in other files. */
  private async restore(path: string): Promise<PathMerge> {
    const { files } = this.host;
    const source = `${this.stateTarget}/${this.snapshotPlace}/${dashedPath(path)}.bind`;
    const next = listTree(files, source);
    const now = listTree(files, persistentDirectory(this.stateTarget, path));
    // What was there when the other image proved good is of its making, and what came later of the user's. Where it
    // never did, all of it is of its making.
    const proven = readProvenState(files, this.stateTarget);
    const isCurrent = proven?.image === this.previous?.image && proven?.sequence === this.previous?.sequence;
    const base = (isCurrent ? proven?.paths.get(path) : undefined) ?? now;
    return this.plan(path, { base, next, now, wins: 'next' }, source);
  }

  /** Keeps the configuration as the image before leaves it. */
  async keepSnapshot(previous: StateSettled): Promise<void> {
    const { host, stateTarget } = this;
    const { files } = host;
    const own: string[] = [];
    for (const path of previous.paths.filter(isConfigurationPath)) {
      const directory = persistentDirectory(stateTarget, path);
      if (files.status(directory)?.kind !== 'directory') continue;
      const size = sizeBelow(files, directory);
      if (size <= largestConfiguration) own.push(path);
      else this.tooLarge.push(`${path} (${formatSize(size)})`);
    }
    const staging = `${statePlaces.merge}/snapshot`;
    files.makeDirectory(`${stateTarget}/${staging}`, { mode: 0o700 });
    if (own.length > 0) {
      const sources = own.map((path) => files.real(persistentDirectory(stateTarget, path)));
      await host.run(['cp', '-a', '-x', '-t', files.real(`${stateTarget}/${staging}`), '--', ...sources]);
    }
    const proven = readProvenState(files, stateTarget);
    const { image, version, sequence, parent } = previous;
    const record: SnapshotRecord = {
      ...{ schemaVersion: 1, image, sequence, paths: own },
      ...(version === undefined ? {} : { version }),
      ...(parent === undefined ? {} : { parent }),
      proven: proven?.image === image && proven.sequence === sequence,
    };
    files.write(`${stateTarget}/${staging}/snapshot.json`, `${JSON.stringify(record)}\n`, { mode: 0o600 });
    const to = `${statePlaces.snapshots}/${imageKey(image)}`;
    this.operations.push({ kind: 'move', from: staging, to, over: 'anything' });
  }

  /** Once a snapshot has been brought back it is history: the state goes on from there. */
  dropSnapshot(): void {
    if (this.snapshot !== undefined) this.operations.push({ kind: 'discard', path: this.snapshotPlace });
  }
}
