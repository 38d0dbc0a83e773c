import { health, renderHealth } from '@kairos/agent/commands/health';
import { exitCodes } from '@kairos/facts/errors';
import { machineHost } from '@kairos/host/machine';
import { interruptible } from './interrupt.ts';

/** `health`: gives the exit code, which is that of a failed check where a required one fails. */
export async function healthVerb(flags: { readonly wait: boolean; readonly json: boolean }): Promise<number> {
  const { signal, done } = interruptible();
  const report = await health(machineHost(), { wait: flags.wait, signal }).finally(done);
  process.stdout.write(flags.json ? `${JSON.stringify(report)}\n` : renderHealth(report));
  return report.healthy ? 0 : exitCodes.checkFailed;
}
