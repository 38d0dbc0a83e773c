import type { HostFiles } from '@kairos/host/host';
import { z } from 'zod';
import { readRecord } from '../read-record.ts';

/** What is made anew, beside the slots. */
export type ErasedPartition = 'persistent' | 'oem';

/**
 * `reset.json` on `COS_STATE`, written before anything changes and after each file system that was made. Together with
 * the mark in the boot loader's environment (`kairos_reset`) it makes a reset that was cut off go on where it stopped,
 * as it was wished: the configuration that said so may be erased by then. It stays when the reset is done, and tells
 * `kairos-agent state` what was done.
 */
const journalSchema = z.object({
  schemaVersion: z.literal(1),
  /** `failed`: it stopped for `failure`, and goes on when it is started again. */
  status: z.enum(['running', 'failed', 'done']),
  /** Whether anything was changed; a reset that was refused has only a reason. */
  begun: z.boolean(),
  /** RFC 3339. */
  started: z.string(),
  finished: z.string().nullable(),
  wish: z.object({
    resetPersistent: z.boolean(),
    resetOem: z.boolean(),
    /** `null` is the image of recovery. */
    source: z.string().nullable(),
    /** Title in the boot menu; `null` leaves it. */
    entryName: z.string().nullable(),
    tries: z.int().nonnegative(),
    after: z.enum(['nothing', 'reboot', 'poweroff']),
  }),
  /** File systems that are made already: data that came back since stays. */
  formatted: z.array(z.enum(['persistent', 'oem'])),
  failure: z
    .object({ time: z.string(), code: z.string(), message: z.string(), hint: z.string().optional() })
    .nullable(),
  /** `.kairos-state` as it was before the persistent partition was erased. */
  record: z.record(z.string(), z.string()).nullable(),
});
export type ResetJournal = z.infer<typeof journalSchema>;
export type ResetWish = ResetJournal['wish'];

export const resetJournalName = 'reset.json';
/** A copy for those who cannot see `COS_STATE`: in recovery it is mounted only while it is worked on. */
export const resetStatusPath = '/run/cos/reset.json';

/** The journal in a file; `undefined` where there is none that can be read. */
export function readResetJournal(files: HostFiles, path: string): ResetJournal | undefined {
  return readRecord(files, path, journalSchema);
}

export function formatResetJournal(journal: ResetJournal): string {
  return `${JSON.stringify(journal)}\n`;
}
