import { dirname } from 'node:path';
import { KairosError, reasonOf } from '@kairos/facts/errors';
import type { Host } from '@kairos/host/host';
import { stateDirectory } from './boot-plan.ts';
import { dashed } from './layout.ts';
import { missingEntries, parseSeedRecord, type SeedRecord, shippedTree } from './shipped-tree.ts';

/** Where the records and the copies in progress are kept, inside the state target. */
function seedPlaces(stateTarget: string, path: string) {
  return {
    record: `${stateTarget}/.kairos/seed/${dashed(path)}.json`,
    staging: `${stateTarget}/.kairos/staging/${dashed(path)}`,
  };
}

/** A copy that is complete in staging and waits for the sync before it gets its place. */
interface Staged {
  readonly path: string;
  readonly moves: readonly { readonly from: string; readonly to: string }[];
  readonly record: SeedRecord;
}

/** Copies with owners, times, links, ACLs and extended attributes, staying on one file system. */
async function copy(host: Host, from: string, to: string): Promise<void> {
  const { files } = host;
  files.makeDirectory(dirname(to));
  await host.run(['cp', '-a', '-x', '-T', '--', files.real(from), files.real(to)]);
}

async function stage(
  host: Host,
  stateTarget: string,
  path: string,
  image: string,
): Promise<Staged | undefined> {
  const { files } = host;
  const state = stateDirectory(stateTarget, path);
  const places = seedPlaces(stateTarget, path);
  const there = files.status(state);
  if (there !== undefined && there.kind !== 'directory') {
    throw new KairosError('STATE_NOT_A_DIRECTORY', `${state} is a ${there.kind}, not a directory`);
  }
  const known = parseSeedRecord(files.readTextIfAny(places.record));
  if (there !== undefined && known?.image === image) return undefined;

  const entries = shippedTree(host, path);
  const record: SeedRecord = { schemaVersion: 1, path, image, entries };
  if (there === undefined) {
    if (files.exists(path)) {
      // The trailing dot: where the path is a symbolic link, what it leads to is copied.
      await copy(host, `${path}/.`, places.staging);
    } else {
      files.makeDirectory(places.staging);
    }
    return { path, moves: [{ from: places.staging, to: state }], record };
  }
  const moves: { from: string; to: string }[] = [];
  const missing = missingEntries(
    entries,
    known?.entries,
    (name) => files.status(`${state}/${name}`) !== undefined,
  );
  for (const name of missing) {
    const from = `${places.staging}/${name}`;
    await copy(host, `${path}/${name}`, from);
    moves.push({ from, to: `${state}/${name}` });
  }
  return { path, moves, record };
}

/**
 * Gives each persistent path its directory: on the first boot a copy of what the image ships, later what a new image
 * ships in addition. A file that the user changed stays; one that the user deleted does not come back. A power cut
 * leaves either nothing or a complete copy: copies are made beside, synced once for all, then renamed into place.
 *
 * @param image identity of the booted image; paths that are already seeded from it cost one small read
 * @returns the paths that could not be seeded, with the reason; their state is as before
 */
export async function seedState(
  host: Host,
  paths: readonly string[],
  stateTarget: string,
  image: string,
): Promise<ReadonlyMap<string, string>> {
  const { files } = host;
  const failures = new Map<string, string>();
  const stagingRoot = `${stateTarget}/.kairos/staging`;
  files.makeDirectory(stateTarget);
  // Left behind by a power cut: never complete, never used.
  if (files.exists(stagingRoot)) files.remove(stagingRoot);
  const staged: Staged[] = [];
  for (const path of paths) {
    try {
      const one = await stage(host, stateTarget, path, image);
      if (one !== undefined) staged.push(one);
    } catch (error) {
      failures.set(path, reasonOf(error));
    }
  }
  if (staged.some(({ moves }) => moves.length > 0)) await host.run(['sync']);
  for (const { path, moves, record } of staged) {
    try {
      for (const { from, to } of moves) files.rename(from, to);
      files.write(seedPlaces(stateTarget, path).record, `${JSON.stringify(record)}\n`, { mode: 0o600 });
    } catch (error) {
      failures.set(path, reasonOf(error));
    }
  }
  files.remove(stagingRoot);
  return failures;
}
