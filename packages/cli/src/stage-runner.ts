import type { Host } from '@kairos/host/host';
import type { StageTrouble } from '@kairos/immucore/boot-context';
import { defaultStageDirectories } from '@kairos/stages/collect';
import { keepingLinks } from '@kairos/stages/kept-links';
import { outsideDocuments } from '@kairos/stages/outside-documents';
import { remoteReader } from '@kairos/stages/remote-reader';
import { runStage } from '@kairos/stages/run-stage';

/** Milliseconds for one attempt to fetch a configuration while a boot waits. */
export const bootPatience = 10_000;

/** Runs a stage for immucore: what went wrong becomes part of the boot report. */
export async function runBootStage(host: Host, stage: string): Promise<readonly StageTrouble[]> {
  const outside = await outsideDocuments(
    host,
    stage,
    defaultStageDirectories,
    keepingLinks(host, remoteReader(host, { patience: bootPatience })),
  );
  const { problems } = await runStage(host, stage, { ...outside, lenient: true });
  return problems.map(({ severity, message, position, step }) => ({
    stage,
    severity,
    message,
    ...(position === undefined ? {} : { position: `${position.file}:${position.line}:${position.column}` }),
    ...(step === undefined ? {} : { step }),
  }));
}
