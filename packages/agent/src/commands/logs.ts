import { reasonOf } from '@kairos/facts/errors';
import type { Host } from '@kairos/host/host';
import { collectNodeConfig } from '../collect-config.ts';
import { checkOutput, collectLogs } from '../log-bundle.ts';
import { state } from './state.ts';

export interface LogsResult {
  readonly path: string;
  readonly names: readonly string[];
  readonly skipped: readonly string[];
}

/**
 * Writes a bundle of logs for those who help: readable by its owner alone.
 * @throws KairosError `OUTPUT_EXISTS_AS_DIRECTORY`
 */
export async function logs(host: Host, path: string): Promise<LogsResult> {
  checkOutput(host, path);
  const { config } = await collectNodeConfig(host);
  const text = await state(host, { json: false }).catch(
    (error: unknown) => `# not readable: ${reasonOf(error)}\n`,
  );
  const { content, names, skipped } = await collectLogs(host, config, { 'state.yaml': text }, new Date());
  host.files.write(path, content, { mode: 0o600 });
  return { path, names, skipped };
}
