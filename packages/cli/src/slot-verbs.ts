import { type BootEntryResult, bootEntry } from '@kairos/agent/commands/boot-entry';
import { markBootGood } from '@kairos/agent/commands/boot-good';
import { rollback } from '@kairos/agent/commands/rollback';
import { upgrade } from '@kairos/agent/commands/upgrade';
import { describeUpgradeStep } from '@kairos/agent/upgrade/execute';
import { renderUpgradePlan } from '@kairos/agent/upgrade/render';
import { exitCodes, KairosError } from '@kairos/facts/errors';
import { machineHost } from '@kairos/host/machine';
import { withoutPassword } from '@kairos/oci/reference';
import type { UpgradeFlags } from './commands/agent-slots.ts';
import { ProgressLine } from './progress.ts';

export async function upgradeVerb(flags: UpgradeFlags, image: string | undefined): Promise<string> {
  const { json, source, image: imageFlag, excludePath = [], ...options } = flags;
  const line = new ProgressLine(process.stderr, json);
  const warn = (message: string) => process.stderr.write(`warning: ${message}\n`);
  const old = imageFlag === undefined ? image : `oci:${imageFlag}`;
  if (source === undefined && old !== undefined) warn(`write --source ${withoutPassword(old)}`);
  if (excludePath.length > 0) warn('--exclude-path has no effect: the root is read-only and copied as it is');
  if ([source, imageFlag, image].filter((one) => one !== undefined).length > 1) {
    throw new KairosError('SOURCE_TWICE', 'The image is named twice', {
      exit: 'usage',
      hint: 'Name it by --source only',
    });
  }
  const from = source ?? old;
  try {
    const result = await upgrade(machineHost(), {
      ...options,
      ...(from === undefined ? {} : { source: from }),
      onProgress: line.report,
    });
    line.end();
    if (json) return `${JSON.stringify(result)}\n`;
    if (flags.dryRun) return renderUpgradePlan(result.plan);
    return result.upgraded ? 'Upgrade completed\n' : 'Up to date\n';
  } finally {
    line.end();
  }
}

export async function rollbackVerb(flags: {
  readonly dryRun: boolean;
  readonly force: boolean;
  readonly reboot: boolean;
  readonly json: boolean;
}): Promise<string> {
  const { json, ...options } = flags;
  const line = new ProgressLine(process.stderr, json);
  try {
    const result = await rollback(machineHost(), { ...options, onProgress: line.report });
    line.end();
    if (json) return `${JSON.stringify(result)}\n`;
    const plan = result.steps.map((step) => `  ${describeUpgradeStep(step)}\n`).join('');
    const name = (slot: { name: string; version: string } | undefined) =>
      slot ? `${slot.name} ${slot.version}` : 'an unreadable system';
    return `${result.rolledBack ? 'Rolled back' : 'Would roll back'} from ${name(result.from)} to ${name(result.to)}\n${flags.dryRun ? plan : ''}`;
  } finally {
    line.end();
  }
}

function renderBootEntries({ entries, next }: BootEntryResult, numbered: boolean): string {
  const rows = entries.map(({ id, title }, index) => {
    const number = numbered ? `${String(index + 1).padStart(2)}) ` : '';
    return `${id === next.entries[0] ? '*' : ' '} ${number}${id.padEnd(14)} ${title}\n`;
  });
  return rows.join('');
}

/** Asks at the terminal which entry is to start next; `undefined` where it is to stay as it is. */
async function chooseEntry(result: BootEntryResult): Promise<string | undefined> {
  process.stdout.write(renderBootEntries(result, true));
  const { askLine } = await import('./ask-line.ts');
  const answer = await askLine('Start next, once (number or name; nothing: as it is): ', {
    input: process.stdin,
    output: process.stdout,
  });
  return answer === '' ? undefined : (result.entries[Number(answer) - 1]?.id ?? answer);
}

/** Without an entry: a choice at a terminal, else the list. */
export async function bootEntryVerb(flags: {
  readonly select?: string;
  readonly permanent: boolean;
  readonly json: boolean;
}): Promise<string> {
  const { json, ...options } = flags;
  const warn = (message: string) => process.stderr.write(`warning: ${message}\n`);
  let result = await bootEntry(machineHost(), { ...options, warn });
  if (json) return `${JSON.stringify(result)}\n`;
  const asks = flags.select === undefined && process.stdin.isTTY && process.stdout.isTTY;
  if (asks) {
    const select = await chooseEntry(result);
    if (select === undefined) return '';
    result = await bootEntry(machineHost(), { ...options, select, warn });
  }
  return renderBootEntries(result, false);
}

/** `boot-good`: gives the exit code, which is that of a failed check where the system did not prove itself. */
export async function bootGoodVerb(json: boolean): Promise<number> {
  const line = new ProgressLine(process.stderr, json);
  try {
    const result = await markBootGood(machineHost(), { onProgress: line.report });
    line.end();
    if (json) process.stdout.write(`${JSON.stringify(result)}\n`);
    else
      process.stdout.write([result.verdict, ...result.reasons.map((reason) => `  ${reason}`), ''].join('\n'));
    return result.verdict === 'failed' ? exitCodes.checkFailed : 0;
  } finally {
    line.end();
  }
}
