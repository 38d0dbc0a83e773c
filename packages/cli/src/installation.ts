import { type InstallOptions, install } from '@kairos/agent/commands/install';
import { renderPlan } from '@kairos/agent/install/render';
import { machineHost } from '@kairos/host/machine';
import { ProgressLine } from './progress.ts';

/** Installs and gives what to print. */
export async function runInstallation(
  options: Omit<InstallOptions, 'onProgress'>,
  json: boolean,
): Promise<string> {
  const line = new ProgressLine(process.stderr, json);
  try {
    const result = await install(machineHost(), {
      ...options,
      onProgress: line.report,
      // Standard output belongs to the machine that reads JSON.
      show: (text) => (json ? process.stderr : process.stdout).write(text),
    });
    if (json) return `${JSON.stringify(result)}\n`;
    return result.installed ? 'Installation finished\n' : renderPlan(result.plan);
  } finally {
    line.end();
  }
}
