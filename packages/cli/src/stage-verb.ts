import { keepStageRecord } from '@kairos/agent/stages/record';
import { maximumFileSize } from '@kairos/config/collect';
import type { Document } from '@kairos/config/document';
import { formatProblem } from '@kairos/config/problem';
import { exitCodes, KairosError } from '@kairos/facts/errors';
import { urlWithoutSecrets } from '@kairos/facts/url';
import type { Host } from '@kairos/host/host';
import { machineHost } from '@kairos/host/machine';
import { defaultStageDirectories } from '@kairos/stages/collect';
import { keepingLinks } from '@kairos/stages/kept-links';
import { outsideDocuments } from '@kairos/stages/outside-documents';
import type { StageProblem } from '@kairos/stages/problem';
import { remoteReader } from '@kairos/stages/remote-reader';
import { planStage, runStage, type StepResult } from '@kairos/stages/run-stage';
import type { StageFlags } from './commands/agent-stage.ts';
import { bootPatience } from './stage-runner.ts';

/** Where a verb writes. */
export interface Streams {
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown };
}

/** Problems as a compiler shows them, each with the step and the module in which it arose. */
function problemPrinter(host: Host, documents: readonly Document[]): (problem: StageProblem) => string {
  const texts = new Map(documents.map(({ file, text }) => [file, text]));
  const sourceOf = (file: string): string | undefined => {
    const known = texts.get(file);
    if (known !== undefined) return known;
    try {
      const text = host.files.readOrdinaryText(file, maximumFileSize);
      texts.set(file, text);
      return text;
    } catch {
      return undefined;
    }
  };
  return (problem) => {
    const { step, module } = problem;
    const where =
      step === undefined ? '' : `      = in step ${step}${module === undefined ? '' : `, ${module}`}\n`;
    return `${formatProblem(problem, sourceOf)}\n${where}`;
  };
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
export async function runStageVerb(
  stage: string,
  flags: StageFlags,
  host: Host = machineHost(),
  { stdout, stderr }: Streams = process,
): Promise<number> {
  if (host.uid !== 0 && !flags.analyze && !flags.dryRun) {
    throw new KairosError('NOT_ROOT', 'run-stage changes the system and has to be run by root', {
      exit: 'notPermitted',
      hint: '--dry-run and --analyze change nothing and need no root',
    });
  }
  const directories = [
    ...(flags.overrideCloudInitPaths ?? defaultStageDirectories),
    ...(flags.cloudInitPaths ?? []),
  ];
  const reader = remoteReader(host, { patience: bootPatience });
  const outside = await outsideDocuments(
    host,
    stage,
    directories,
    flags.analyze || flags.dryRun ? reader : keepingLinks(host, reader),
    { commandLine: flags.overrideCloudInitPaths === undefined },
  );
  for (const url of outside.postponed) {
    stderr.write(`${urlWithoutSecrets(url)} is read in stage network: there is no network yet\n`);
  }
  const showProblem = problemPrinter(host, outside.documents);
  if (flags.analyze) {
    const { steps, problems } = planStage(host, stage, { directories, documents: outside.documents });
    const rows = steps.map(({ id, pass, reason, file }) => ({ id, pass, reason, file: file.file }));
    const all = [...outside.problems, ...problems];
    if (flags.json) stdout.write(`${JSON.stringify({ stage, steps: rows, problems: all })}\n`);
    else {
      rows.forEach(({ id, pass, reason }, index) => {
        stdout.write(
          `${String(index + 1).padStart(3)}  ${pass.padEnd(stage.length + 8)} ${id}\n       ${reason}\n`,
        );
      });
      stderr.write(all.map(showProblem).join(''));
    }
    return flags.strict && all.length > 0 ? exitCodes.stageFailed : 0;
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
        stdout.write(showStep(event.result, flags.dryRun));
      } else if (event.kind === 'output') stdout.write(`        ${event.line}\n`);
    },
  });
  if (!flags.dryRun) keepStageRecord(host, result, flags.overrideCloudInitPaths);
  if (flags.json) stdout.write(`${JSON.stringify(result)}\n`);
  else stderr.write(result.problems.map(showProblem).join(''));
  const failed = result.failed || (flags.strict && result.problems.length > 0);
  return failed && !flags.lenient ? exitCodes.stageFailed : 0;
}
