import { KairosError, reasonOf } from '@kairos/facts/errors';
import type { HostFiles } from '@kairos/host/host';

/** State of the agent on the persistent partition. */
export const agentStateDirectory = '/usr/local/.kairos';
/** There once all tasks of the first boot are done. */
export const firstBootSentinel = `${agentStateDirectory}/sentinel_firstboot`;

/** Something that is done once in the life of an installed node. */
export interface FirstBootTask {
  readonly name: string;
  /** Whether the service ends when it fails; else that is a warning. */
  readonly fatal: boolean;
  run(): Promise<void>;
}

/**
 * Carries out what is not done yet. Every task is tried, whatever becomes of the others; those that failed are tried
 * again at the next start, so each has to be one that may be repeated.
 * @returns whether all are done
 * @throws KairosError `FIRST_BOOT_FAILED` where one failed that is fatal
 */
export async function runFirstBoot(
  files: HostFiles,
  tasks: readonly FirstBootTask[],
  options: { readonly force?: boolean; readonly warn: (message: string) => void; readonly now: () => Date },
): Promise<boolean> {
  if (!options.force && files.exists(firstBootSentinel)) return true;
  const fatal: string[] = [];
  let failed = 0;
  for (const task of tasks) {
    try {
      await task.run();
    } catch (error) {
      failed++;
      const reason = `first boot: ${task.name} failed: ${reasonOf(error)}`;
      if (task.fatal) fatal.push(reason);
      else options.warn(`${reason}; it is tried again at the next start`);
    }
  }
  if (fatal.length > 0) {
    throw new KairosError('FIRST_BOOT_FAILED', fatal.join('\n'), {
      exit: 'failure',
      hint: 'Mend it and restart the service kairos-agent; what is done is not repeated',
    });
  }
  if (failed > 0) return false;
  files.write(firstBootSentinel, `${options.now().toISOString()}\n`);
  return true;
}
