import type { Host } from '@kairos/host/host';
import { assessment, readEnvironment } from '../boot/choice.ts';
import { type Clock, systemClock } from '../clock.ts';
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
    if (!place) return known();
    const journal = readResetJournal(host.files, `${place.mountPoint}/${resetJournalName}`);
    const marks = readEnvironment(host.files, `${place.mountPoint}/boot_assessment`, warn);
    if (journal) host.files.write(resetStatusPath, formatResetJournal(journal));
    return judgeReset(journal, resetMarks(marks, bootStateOfHost(host)));
  });
}

/**
 * Gives up a reset that is not finished: the boot loader starts the default entry again. What was erased stays so. One
 * that was chosen and did not begin is forgotten.
 * @returns whether there was one
 */
export async function cancelReset(host: Host, warn: (message: string) => void): Promise<boolean> {
  checkRoot(host);
  return runOperation({ warn }, async ({ cleanup, signal }) => {
    cleanup.push('the lock', takeLock(host, 'reset', new Date()));
    const { disk, state: partition } = await recoveryDisk(host);
    const { place } = await openState(host, disk, partition, { mend: false, cleanup, warn });
    if (!place) return false;
    const path = `${place.mountPoint}/boot_assessment`;
    const marks = readEnvironment(host.files, path, warn);
    if (!marks[assessment.reset] && !marks[assessment.resetChosen]) return false;
    const journalPath = `${place.mountPoint}/${resetJournalName}`;
    const journal = readResetJournal(host.files, journalPath);
    const failure = { time: new Date().toISOString(), code: 'CANCELLED', message: 'it was given up' };
    const none = { [assessment.reset]: '', [assessment.resetChosen]: '' };
    const steps: ResetStep[] = [
      { kind: 'make-writable', mountPoint: place.mountPoint, phase: 'prepare' },
      { kind: 'set-environment', path, changes: none, own: true, phase: 'done' },
      { kind: 'checkpoint', mountPoint: place.mountPoint, phase: 'done' },
    ];
    if (marks[assessment.reset] && journal && journal.status !== 'done') {
      const given: ResetJournal = { ...journal, status: 'failed', failure };
      steps.push({ kind: 'write-reset-journal', path: journalPath, journal: given, phase: 'done' });
    }
    await carryOutAll(steps, {
      ...{ host, image: undefined, cleanup, signal, warn, strict: true, now: () => new Date() },
      report: () => undefined,
      runStage: async () => undefined,
    });
    return true;
  });
}
