import { basename } from 'node:path/posix';
import { KairosError } from '@kairos/facts/errors';
import { paths } from '@kairos/facts/paths';
import type { HostFiles } from '@kairos/host/host';
import { z } from 'zod';

/** On the OEM partition: it survives upgrades, a fallback and a reset. */
export const bootFailuresDirectory = `${paths.oem}/boot-failures`;
/** As many records as are kept. */
const kept = 10;

const failureSchema = z.object({
  schemaVersion: z.literal(1),
  /** RFC 3339. */
  time: z.string(),
  /** The slot that failed. */
  slot: z.enum(['active', 'passive']),
  image: z.object({ name: z.string(), version: z.string(), digest: z.string() }).nullable(),
  /** Starts that it had left. */
  triesLeft: z.int().nonnegative().nullable(),
  reasons: z.array(z.string()),
  /** The end of that boot's log. */
  log: z.array(z.string()),
});
export type BootFailure = z.infer<typeof failureSchema>;

/** The records, oldest first; what cannot be read is left out. */
export function readBootFailures(files: HostFiles, directory = bootFailuresDirectory): BootFailure[] {
  return files.list(directory).flatMap((name) => {
    if (!name.endsWith('.json')) return [];
    try {
      const parsed = failureSchema.safeParse(JSON.parse(files.readText(`${directory}/${name}`)));
      return parsed.success ? [parsed.data] : [];
    } catch (error) {
      if (error instanceof KairosError) throw error;
      return [];
    }
  });
}

/** Keeps a record; gives its path. The oldest of the others go: this one may bear an earlier date, by a wrong clock. */
export function keepBootFailure(
  files: HostFiles,
  failure: BootFailure,
  directory = bootFailuresDirectory,
): string {
  const path = `${directory}/${failure.time.replaceAll(':', '')}-${failure.slot}.json`;
  files.write(path, `${JSON.stringify(failure, undefined, 2)}\n`, { mode: 0o640 });
  const others = files.list(directory).filter((name) => name.endsWith('.json') && name !== basename(path));
  for (const name of others.slice(0, Math.max(0, others.length + 1 - kept))) {
    files.remove(`${directory}/${name}`);
  }
  return path;
}
