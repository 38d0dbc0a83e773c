import { readAgentSettings } from '@kairos/agent/agent-settings';
import { reset } from '@kairos/agent/commands/reset';
import { cancelReset, resetStatus } from '@kairos/agent/commands/reset-status';
import { renderResetPlan, renderResetSummary } from '@kairos/agent/reset/render';
import { machineHost } from '@kairos/host/machine';
import type { ResetVerbFlags } from './commands/agent-reset.ts';
import { countdown } from './countdown.ts';
import { ProgressLine } from './progress.ts';

/** Seconds that somebody has to think again. */
const countdownSeconds = 60;

export async function resetVerb(flags: ResetVerbFlags): Promise<string> {
  const { json, source, unattended, yes, status: _, cancel: __, ...options } = flags;
  const host = machineHost();
  const line = new ProgressLine(process.stderr, json);
  const waits = !unattended && !yes;
  try {
    const result = await reset(host, {
      ...options,
      ...(source === undefined ? {} : { source }),
      onProgress: line.report,
      async confirm(plan, signal) {
        line.end();
        const settings = readAgentSettings(host.files);
        const text = settings.branding.reset;
        process.stderr.write(`${text === undefined ? '' : `${text}\n\n`}${renderResetSummary(plan)}\n`);
        if (!waits || settings.fast) return;
        await countdown(countdownSeconds, signal, { input: process.stdin, output: process.stderr });
      },
    });
    line.end();
    if (json) return `${JSON.stringify(result)}\n`;
    return flags.dryRun ? renderResetPlan(result.plan) : 'Reset completed\n';
  } finally {
    line.end();
  }
}

export async function resetStatusVerb(json: boolean): Promise<string> {
  const status = await resetStatus(machineHost(), (message) => process.stderr.write(`warning: ${message}\n`));
  return json ? `${JSON.stringify(status)}\n` : `${status.text}\n`;
}

export async function cancelResetVerb({ dryRun, json }: ResetVerbFlags): Promise<string> {
  const warn = (message: string) => void process.stderr.write(`warning: ${message}\n`);
  const found = await cancelReset(machineHost(), warn, { dryRun });
  if (json) return `${JSON.stringify({ found, cancelled: found && !dryRun })}\n`;
  if (!found) return 'There is no reset to give up\n';
  return dryRun ? 'A reset would be given up\n' : 'The reset is given up; what it erased stays so\n';
}
