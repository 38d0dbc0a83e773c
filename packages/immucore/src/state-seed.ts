import { dirname } from 'node:path';
import { KairosError, reasonOf } from '@kairos/facts/errors';
import { dashedPath, persistentDirectory } from '@kairos/facts/persistent-state';
import type { Host } from '@kairos/host/host';
import { listTree } from '@kairos/host/tree-listing';
import { type ShippedRecord, shippedRecordPlace, shippedRecordText } from './state-records.ts';

/** A copy that is complete in staging and waits for the sync before it gets its place. */
interface Staged {
  readonly from: string;
  readonly to: string;
  readonly record: ShippedRecord;
}

/** Copies with owners, times, links, ACLs and extended attributes, staying on one file system. */
async function copy(host: Host, from: string, to: string): Promise<void> {
  const { files } = host;
  files.makeDirectory(dirname(to));
  await host.run(['cp', '-a', '-x', '-T', '--', files.real(from), files.real(to)]);
}

async function stage(host: Host, stateTarget: string, path: string, image: string): Promise<Staged> {
  const { files } = host;
  const to = persistentDirectory(stateTarget, path);
  const there = files.status(to);
  if (there !== undefined) {
    throw new KairosError('STATE_NOT_A_DIRECTORY', `${to} is a ${there.kind}, not a directory`);
  }
  const from = `${stateTarget}/.kairos/staging/${dashedPath(path)}`;
  const mounted = new Set(host.mounts().map(({ target }) => target));
  const record: ShippedRecord = { schemaVersion: 1, path, image, entries: listTree(files, path, mounted) };
  // The trailing dot: where the path is a symbolic link, what it leads to is copied.
  if (files.exists(path)) await copy(host, `${path}/.`, from);
  else files.makeDirectory(from);
  return { from, to, record };
}

/**
 * Gives each persistent path that has none its directory, a copy of what the image ships. A power cut leaves either
 * nothing or a complete copy: copies are made beside, synced once for all, then renamed into place.
 *
 * @param image identity of the booted image, for the record of what it shipped
 * @returns the paths that could not be seeded, with the reason
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
      staged.push(await stage(host, stateTarget, path, image));
    } catch (error) {
      failures.set(path, reasonOf(error));
    }
  }
  if (staged.length > 0) await host.run(['sync']);
  for (const { from, to, record } of staged) {
    const { path } = record;
    try {
      files.rename(from, to);
      files.write(`${stateTarget}/${shippedRecordPlace(path)}`, shippedRecordText(record), { mode: 0o600 });
    } catch (error) {
      failures.set(path, reasonOf(error));
    }
  }
  files.remove(stagingRoot);
  return failures;
}
