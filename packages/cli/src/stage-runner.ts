import type { Host } from '@kairos/host/host';
import type { StageTrouble } from '@kairos/immucore/boot-context';
import { runStage } from '@kairos/stages/run-stage';

/** Runs a stage for immucore: what went wrong becomes part of the boot report. */
export async function runBootStage(host: Host, stage: string): Promise<readonly StageTrouble[]> {
  const { problems } = await runStage(host, stage, { lenient: true });
  return problems.map(({ severity, message, position, step }) => ({
    stage,
    severity,
    message,
    ...(position === undefined ? {} : { position: `${position.file}:${position.line}:${position.column}` }),
    ...(step === undefined ? {} : { step }),
  }));
}
