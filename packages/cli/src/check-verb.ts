import { exitCodes } from '@kairos/facts/errors';
import { checkRoot } from '@kairos/image/check/check';

const marks = { ok: 'ok     ', warning: 'warning', failed: 'FAILED ' } as const;

/** `kairos image check`: gives the exit code, which is that of a failed check where a requirement is not met. */
export async function checkVerb(root: string, json: boolean): Promise<number> {
  const findings = await checkRoot(root);
  const failed = findings.filter(({ status }) => status === 'failed').length;
  if (json) process.stdout.write(`${JSON.stringify({ suitable: failed === 0, findings })}\n`);
  else {
    for (const { id, status, message, hint } of findings) {
      process.stdout.write(`${marks[status]} ${id}: ${message}\n${hint ? `        ${hint}\n` : ''}`);
    }
    process.stdout.write(
      failed === 0
        ? `${root} has what an OS image needs\n`
        : `${root} misses ${failed} of ${findings.length} requirements\n`,
    );
  }
  return failed === 0 ? 0 : exitCodes.checkFailed;
}
