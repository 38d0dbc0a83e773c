import { keepStageRecord } from '@kairos/agent/stage-record';
import { exitCodes } from '@kairos/facts/errors';
import { machineHost } from '@kairos/host/machine';
import { defaultStageDirectories } from '@kairos/stages/collect';
import { outsideDocuments } from '@kairos/stages/outside-documents';
import { type StageProblem, showPosition } from '@kairos/stages/problem';
import { remoteReader } from '@kairos/stages/remote-reader';
import { planStage, runStage, type StepResult } from '@kairos/stages/run-stage';
import type { StageFlags } from './commands/agent-stage.ts';
import { bootPatience } from './stage-runner.ts';

function showProblem({ severity, message, position, hint }: StageProblem): string {
  return `${showPosition(position)}: ${severity}: ${message}${hint ? `\n  hint: ${hint}` : ''}\n`;
}

function showStep({ status, name, reason, changes, milliseconds }: StepResult, dryRun: boolean): string {
  const head = `${status.padEnd(7)} ${name}${reason ? ` (${reason})` : ''}${dryRun ? '' : `  ${milliseconds.toFixed(0)} ms`}\n`;
  if (!dryRun) return head;
  return (
    head +
    changes
      .map(({ summary, diff = '' }) =>
        [summary, ...diff.split('\n').filter((line) => line !== '')]
          .map((line) => `        ${line}\n`)
          .join(''),
      )
      .join('')
  );
}

/** `run-stage`: gives the exit code. */
export async function runStageVerb(stage: string, flags: StageFlags): Promise<number> {
  const host = machineHost();
  const directories = [
    ...(flags.overrideCloudInitPaths ?? defaultStageDirectories),
    ...(flags.cloudInitPaths ?? []),
  ];
  const outside = await outsideDocuments(
    host,
    stage,
    directories,
    remoteReader(host, { patience: bootPatience }),
    { commandLine: flags.overrideCloudInitPaths === undefined },
  );
  for (const url of outside.postponed) {
    process.stderr.write(`${url} is read in stage network: there is no network yet\n`);
  }
  if (flags.analyze) {
    const { steps, problems } = planStage(host, stage, { directories, documents: outside.documents });
    const rows = steps.map(({ id, pass, reason, file }) => ({ id, pass, reason, file: file.file }));
    const all = [...outside.problems, ...problems];
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
    documents: outside.documents,
    problems: outside.problems,
    dryRun: flags.dryRun,
    lenient: flags.lenient,
    onEvent(event) {
      if (flags.json) return;
      if (event.kind === 'ended' && (event.result.status !== 'skipped' || flags.dryRun)) {
        process.stdout.write(showStep(event.result, flags.dryRun));
      } else if (event.kind === 'output') process.stdout.write(`        ${event.line}\n`);
    },
  });
  if (!flags.dryRun) keepStageRecord(host, result, flags.overrideCloudInitPaths);
  if (flags.json) process.stdout.write(`${JSON.stringify(result)}\n`);
  else process.stderr.write(result.problems.map(showProblem).join(''));
  const failed = result.failed || (flags.strict && result.problems.length > 0);
  return failed && !flags.lenient ? exitCodes.stageFailed : 0;
}
