import type { Host } from '@kairos/host/host';
import { defaultStageDirectories } from '@kairos/stages/collect';
import { runStage, stageError } from '@kairos/stages/run-stage';
import type { CollectedConfig } from '../collect-config.ts';

/**
 * Runs a stage around an operation: the stage files of the system and the user, and behind them those documents of the
 * configuration that lie elsewhere, on the live medium or given by name.
 * @param extraPaths `cloud-init-paths` of the configuration
 * @throws KairosError `STAGE_FAILED`
 */
export async function runHookStage(
  host: Host,
  stage: string,
  config: CollectedConfig,
  extraPaths: readonly string[],
  tell: (line: string) => void,
): Promise<void> {
  const directories = [...defaultStageDirectories, ...extraPaths];
  const isRead = (file: string) =>
    directories.some((directory) => file.startsWith(`${directory.replace(/\/+$/, '')}/`));
  const result = await runStage(host, stage, {
    directories,
    documents: config.documents.filter(({ file }) => !isRead(file)),
    onEvent(event) {
      if (event.kind === 'output') tell(event.line);
    },
  });
  const error = stageError(result);
  if (error) throw error;
}
