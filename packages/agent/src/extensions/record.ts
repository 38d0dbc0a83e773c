import type { ExtensionKind } from '@kairos/facts/extensions';
import { paths } from '@kairos/facts/paths';
import type { HostFiles } from '@kairos/host/host';
import { z } from 'zod';

const recordSchema = z.array(
  z.object({
    kind: z.enum(['sysext', 'confext']),
    /** File name, with `.raw`. */
    name: z.string(),
    /**
     * - `merged`: its files are in place.
     * - `refused`: it is not what was verified, does not fit this system, or proves less than the policy wants.
     * - `failed`: nothing is wrong with it, and systemd did not lay it out.
     */
    status: z.enum(['merged', 'refused', 'failed']),
    reason: z.string().optional(),
  }),
);

/** What became of an extension that is enabled for this start. */
export type ExtensionOutcome = z.infer<typeof recordSchema>[number];

const recordOf = (kind: ExtensionKind) => `${paths.extensionRecords}/${kind}.json`;

/** Keeps what became of the extensions of a kind, until they are merged anew or the next start. */
export function keepExtensionRecord(
  files: HostFiles,
  kind: ExtensionKind,
  outcomes: readonly ExtensionOutcome[],
): void {
  files.write(recordOf(kind), `${JSON.stringify(outcomes, undefined, 2)}\n`);
}

/** What became of all that were to be merged; `undefined` where none was. A record that cannot be read is left out. */
export function readExtensionRecords(files: HostFiles): readonly ExtensionOutcome[] | undefined {
  const outcomes = (['sysext', 'confext'] as const).flatMap((kind) => {
    try {
      return recordSchema.parse(JSON.parse(files.readTextIfAny(recordOf(kind)) ?? '[]'));
    } catch {
      return [];
    }
  });
  return outcomes.length === 0 ? undefined : outcomes;
}
