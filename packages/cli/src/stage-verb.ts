import { exitCodes } from '@kairos/facts/errors';
import { machineHost } from '@kairos/host/machine';
import { collectStageFiles, defaultStageDirectories } from '@kairos/stages/collect';
import { orderStage } from '@kairos/stages/order';
import { type StageProblem, showPosition } from '@kairos/stages/problem';
import { runStage, type StepResult } from '@kairos/stages/run-stage';
import type { StageFlags } from './commands/agent-stage.ts';

function showProblem({ severity, message, position, hint }: StageProblem): string {
  return `${showPosition(position)}: ${severity}: ${message}${hint ? `\n  hint: ${hint}` : ''}\n`;
}

function showStep({ status, name, reason, changes, milliseconds }: StepResult, dryRun: boolean): string {
  const head = `${status.padEnd(7)} ${name}${reason ? ` (${reason})` : ''}${dryRun ? '' : `  ${milliseconds.toFixed(0)} ms`}\n`;
  if (!dryRun) return head;
  return head + changes.map((change) => `        ${JSON.stringify(change)}\n`).join('');
}

/** `run-stage`: gives the exit code. */
export async function runStageVerb(stage: string, flags: StageFlags): Promise<number> {
  const host = machineHost();
  const directories = [
    ...(flags.overrideCloudInitPaths ?? defaultStageDirectories),
    ...(flags.cloudInitPaths ?? []),
  ];
  if (flags.analyze) {
    const collected = collectStageFiles(host, directories);
    const { steps, problems } = orderStage(stage, collected.files);
    const rows = steps.map(({ id, pass, reason, file }) => ({ id, pass, reason, file: file.file }));
    const all = [...collected.problems, ...problems];
    if (flags.json) process.stdout.write(`${JSON.stringify({ stage, steps: rows, problems: all })}\n`);
    else {
      rows.forEach(({ id, pass, reason }, index) => {
        process.stdout.write(
          `${String(index + 1).padStart(3)}  ${pass.padEnd(stage.length + 8)} ${id}\n       ${reason}\n`,
        );
      });
      process.stderr.write(all.map(showProblem).join(''));
    }
    return 0;
  }
  const result = await runStage(host, stage, {
    directories,
    dryRun: flags.dryRun,
    lenient: flags.lenient,
    onEvent(event) {
      if (flags.json) return;
      if (event.kind === 'ended' && (event.result.status !== 'skipped' || flags.dryRun)) {
        process.stdout.write(showStep(event.result, flags.dryRun));
      } else if (event.kind === 'output') process.stdout.write(`        ${event.line}\n`);
    },
  });
  if (flags.json) process.stdout.write(`${JSON.stringify(result)}\n`);
  else process.stderr.write(result.problems.map(showProblem).join(''));
  const failed = result.failed || (flags.strict && result.problems.length > 0);
  return failed && !flags.lenient ? exitCodes.stageFailed : 0;
}
