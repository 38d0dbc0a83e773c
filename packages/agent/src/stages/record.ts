import { createHash } from 'node:crypto';
import { paths } from '@kairos/facts/paths';
import type { Host, HostFiles } from '@kairos/host/host';
import type { StageResult } from '@kairos/stages/run-stage';

/** What the last run of a stage by a unit found wrong, for `state`. The stages of immucore are in the boot report. */
export interface StageRecord {
  readonly schemaVersion: 1;
  readonly stage: string;
  readonly steps: { readonly done: number; readonly skipped: number; readonly failed: number };
  readonly problems: readonly {
    readonly severity: string;
    readonly message: string;
    /** `file:line:column`. */
    readonly position: string;
    readonly module?: string;
    readonly step?: string;
  }[];
}

/**
 * Keeps what a run found, until the next run of the stage or the next boot. Only on a node that immucore has booted.
 * @param directories those that stood in for the usual ones: such a run does not replace what the boot's own found
 */
export function keepStageRecord(host: Host, result: StageResult, directories: readonly string[] = []): void {
  if (host.uid !== 0 || !host.files.exists(paths.immucoreRun)) return;
  const count = (status: string) => result.steps.filter((step) => step.status === status).length;
  const record: StageRecord = {
    schemaVersion: 1,
    stage: result.stage,
    steps: { done: count('done'), skipped: count('skipped'), failed: count('failed') },
    problems: result.problems.map(({ severity, message, position, module, step }) => ({
      severity,
      message,
      position: `${position.file}:${position.line}:${position.column}`,
      ...(module === undefined ? {} : { module }),
      ...(step === undefined ? {} : { step }),
    })),
  };
  const place = createHash('sha256').update(directories.join('\n')).digest('hex').slice(0, 12);
  const name = `${encodeURIComponent(result.stage)}${directories.length === 0 ? '' : `@${place}`}`;
  host.files.write(`${paths.stageRecords}/${name}.json`, `${JSON.stringify(record, undefined, 2)}\n`);
}

/** The records, by the names of the stages; what cannot be read is left out. */
export function readStageRecords(files: HostFiles): StageRecord[] {
  return files.list(paths.stageRecords).flatMap((name) => {
    try {
      const record = JSON.parse(files.readText(`${paths.stageRecords}/${name}`)) as StageRecord;
      return Array.isArray(record.problems) ? [record] : [];
    } catch {
      return [];
    }
  });
}
