import { paths } from '@kairos/facts/paths';
import {
  isConfigurationPath,
  largestConfiguration,
  persistentDirectory,
  statePlaces,
} from '@kairos/facts/persistent-state';
import type { Host, HostFiles } from '@kairos/host/host';
import { listingToJson, listTree, sizeBelow, type TreeEntry } from '@kairos/host/tree-listing';
import { z } from 'zod';

/** What immucore keeps about the state across images, as far as the agent reads it; docs/state.md. */
const recordSchema = z.object({
  image: z.string(),
  version: z.string().optional(),
  paths: z.array(z.string()),
  sequence: z.int(),
  parent: z.string().optional(),
  restored: z.boolean(),
  conflicts: z.array(
    z.object({ path: z.string(), name: z.string(), what: z.string(), beside: z.string().optional() }),
  ),
});
export type PersistentState = z.infer<typeof recordSchema>;

function parsed(text: string | undefined): unknown {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Where this boot keeps its state, by its report. */
function stateTargetOf(files: HostFiles): string {
  const report = z
    .object({ layout: z.object({ stateTarget: z.string().startsWith('/') }) })
    .safeParse(parsed(files.readTextIfAny(paths.bootReport)));
  return report.success ? report.data.layout.stateTarget : paths.stateTarget;
}

/** The record of the state; `undefined` where there is none that can be read. */
export function readPersistentState(files: HostFiles): PersistentState | undefined {
  const record = recordSchema.safeParse(
    parsed(files.readTextIfAny(`${stateTargetOf(files)}/${statePlaces.record}`)),
  );
  return record.success ? record.data : undefined;
}

/**
 * Notes the configuration as it is now that the running image is known to be good: what changed since its start is of
 * its own making, what changes from now on is of the user's. Should the node go back to another image, that tells the
 * two apart. Done once for each change of images; costs one read otherwise.
 */
export function noteProvenState({ files }: Pick<Host, 'files'>): void {
  const target = stateTargetOf(files);
  const state = readPersistentState(files);
  if (state === undefined) return;
  const { image, sequence } = state;
  const place = `${target}/${statePlaces.proven}`;
  const before = z
    .object({ image: z.literal(image), sequence: z.literal(sequence) })
    .safeParse(parsed(files.readTextIfAny(place)));
  if (before.success) return;
  const listings: Record<string, Readonly<Record<string, TreeEntry>>> = {};
  for (const path of state.paths.filter(isConfigurationPath)) {
    const directory = persistentDirectory(target, path);
    if (sizeBelow(files, directory) <= largestConfiguration) {
      listings[path] = listingToJson(listTree(files, directory));
    }
  }
  files.write(place, `${JSON.stringify({ schemaVersion: 1, image, sequence, paths: listings })}\n`, {
    mode: 0o600,
  });
}
