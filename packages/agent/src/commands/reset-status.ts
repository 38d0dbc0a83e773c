import { paths } from '@kairos/facts/paths';
import { type Clock, systemClock } from '@kairos/host/clock';
import type { Host } from '@kairos/host/host';
import { assessment, readEnvironment } from '../boot/choice.ts';
import { awaitLock, bootStateOfHost, checkRoot, lookWork, runOperation, takeLock } from '../operation.ts';
import { carryOutAll } from '../reset/execute.ts';
import { openState, recoveryDisk } from '../reset/facts.ts';
import {
  formatResetJournal,
  type ResetJournal,
  readResetJournal,
  resetJournalName,
  resetStatusPath,
} from '../reset/journal.ts';
import { judgeReset, type ResetStatus, resetMarks } from '../reset/status.ts';
import type { ResetStep } from '../reset/step.ts';

/**
 * Where the mark of a reset may be: on `COS_STATE`, and on the partition of recovery, which has it while `COS_STATE` is
 * made anew.
 */
function markPlaces(host: Host, state: string | undefined): string[] {
  const own = ['recovery', 'autoreset'].includes(bootStateOfHost(host)) ? [paths.cosState] : [];
  return [...(state === undefined ? [] : [state]), ...own];
}

/**
 * What became of the last reset. Leaves a copy in `/run` for those who cannot see `COS_STATE`.
 * @throws KairosError `NOT_ROOT`, `NOT_INSTALLED`
 */
export async function resetStatus(
  host: Host,
  warn: (message: string) => void,
  clock: Clock = systemClock,
): Promise<ResetStatus> {
  checkRoot(host);
  return runOperation({ warn }, async ({ cleanup }) => {
    const { disk, state: partition } = await recoveryDisk(host);
    const known = () => judgeReset(readResetJournal(host.files, resetStatusPath), { mark: undefined });
    if (partition.mountPoints.length === 0) {
      const attempt = await awaitLock(host, lookWork, clock);
      if (!attempt.held) return known();
      cleanup.push('the lock', attempt.release);
    }
    const { place } = await openState(host, disk, partition, { mend: false, cleanup, warn });
    const marksAt = (mountPoint: string) =>
      readEnvironment(host.files, `${mountPoint}/boot_assessment`, warn);
    const marked = markPlaces(host, place?.mountPoint).find((one) => marksAt(one)[assessment.reset]);
    const mountPoint = marked ?? place?.mountPoint;
    if (mountPoint === undefined) return known();
    const journal = readResetJournal(host.files, `${mountPoint}/${resetJournalName}`);
    const marks = marksAt(mountPoint);
    if (journal) host.files.write(resetStatusPath, formatResetJournal(journal));
    return judgeReset(journal, resetMarks(marks, bootStateOfHost(host)));
  });
}

/**
 * Gives up a reset that is not finished: the boot loader starts the default entry again. What was erased stays so. One
 * that was chosen and did not begin is forgotten.
 * @param dryRun changes nothing
 * @returns whether there was one
 */
export async function cancelReset(
  host: Host,
  warn: (message: string) => void,
  { dryRun = false }: { readonly dryRun?: boolean } = {},
): Promise<boolean> {
  checkRoot(host);
  return runOperation({ warn }, async ({ cleanup, signal }) => {
    cleanup.push('the lock', takeLock(host, 'reset', new Date()));
    const { disk, state: partition } = await recoveryDisk(host);
    const { place } = await openState(host, disk, partition, { mend: false, cleanup, warn });
    const failure = { time: new Date().toISOString(), code: 'CANCELLED', message: 'it was given up' };
    const none = { [assessment.reset]: '', [assessment.resetChosen]: '' };
    const steps = markPlaces(host, place?.mountPoint).flatMap((mountPoint): ResetStep[] => {
      const path = `${mountPoint}/boot_assessment`;
      const marks = readEnvironment(host.files, path, warn);
      if (!marks[assessment.reset] && !marks[assessment.resetChosen]) return [];
      const journalPath = `${mountPoint}/${resetJournalName}`;
      const journal = readResetJournal(host.files, journalPath);
      const given: ResetJournal[] =
        marks[assessment.reset] && journal && journal.status !== 'done'
          ? [{ ...journal, status: 'failed', failure }]
          : [];
      return [
        { kind: 'make-writable', mountPoint, phase: 'prepare' },
        { kind: 'set-environment', path, changes: none, own: true, phase: 'done' },
        { kind: 'checkpoint', mountPoint, phase: 'done' },
        ...given.map(
          (one): ResetStep => ({
            ...{ kind: 'write-reset-journal', path: journalPath, journal: one, phase: 'done' },
          }),
        ),
      ];
    });
    if (steps.length === 0) return false;
    if (dryRun) return true;
    await carryOutAll(steps, {
      ...{ host, image: undefined, cleanup, signal, warn, strict: true, now: () => new Date() },
      report: () => undefined,
      runStage: async () => undefined,
    });
    return true;
  });
}
