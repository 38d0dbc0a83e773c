import type { Document } from '@kairos/config/document';
import { KairosError, type Position } from '@kairos/facts/errors';
import type { Host } from '@kairos/host/host';
import { collectStageFiles, defaultStageDirectories } from './collect.ts';
import { conditionKeys, reasonToSkip } from './conditions.ts';
import type { ModuleContext, StageServices } from './context.ts';
import { protectedId, randomWord, type StageFacts, stageFacts } from './facts.ts';
import { type Field, unknownKey } from './field.ts';
import { moduleNames, modules } from './modules/table.ts';
import { orderStage, type PlannedStep } from './order.ts';
import { firstProblems, problemOf, type StageProblem } from './problem.ts';
import { type Change, type RecordingHost, recordingHost } from './recording-host.ts';
import { defaultServices } from './services.ts';
import { stageFileOf } from './stage-file.ts';

export interface StepResult {
  /** As `after` names it. */
  readonly id: string;
  /** Of the author, else the identifier. */
  readonly name: string;
  /** `S.before`, `S` or `S.after`. */
  readonly pass: string;
  readonly file: string;
  readonly position: Position;
  readonly status: 'done' | 'skipped' | 'failed';
  /** Why it was skipped, or how many errors there were. */
  readonly reason?: string;
  readonly milliseconds: number;
  readonly problems: readonly StageProblem[];
  /** What it changed, or in a dry run would change. */
  readonly changes: readonly Change[];
}

export interface StageResult {
  readonly stage: string;
  readonly steps: readonly StepResult[];
  /** All problems: of reading, of ordering and of the steps. */
  readonly problems: readonly StageProblem[];
  /** Whether the run counts as failed: some problem is an error, and the run is not lenient. */
  readonly failed: boolean;
}

export type StageEvent =
  | { readonly kind: 'started'; readonly step: PlannedStep }
  | { readonly kind: 'output'; readonly step: PlannedStep; readonly line: string }
  | { readonly kind: 'ended'; readonly step: PlannedStep; readonly result: StepResult }
  | { readonly kind: 'problem'; readonly problem: StageProblem };

export interface RunStageOptions {
  /** Default: {@link defaultStageDirectories}. */
  readonly directories?: readonly string[];
  /** Run after those of the directories, in each pass: from the kernel command line, from a URL. */
  readonly documents?: readonly Document[];
  /** Found before the run, such as what is wrong with the documents. */
  readonly problems?: readonly StageProblem[];
  /** Change nothing; the changes are listed, those of files as differences. Conditions are asked for real. */
  readonly dryRun?: boolean;
  /** Errors are reported and the run does not count as failed. */
  readonly lenient?: boolean;
  readonly onEvent?: (event: StageEvent) => void;
  /** For templates and conditions, instead of what the machine says. */
  readonly facts?: Partial<StageFacts>;
  readonly services?: Partial<StageServices>;
}

/** Keys of a step that are neither module nor condition. */
const otherKeys = ['name', 'after', 'environment_file'];
const stepKeys = [...moduleNames, ...conditionKeys, ...otherKeys];

/** What templates see; each value only found when a template is there. */
function templateData(facts: StageFacts): Record<string, unknown> {
  const own = {
    Random: randomWord(32),
    MachineID: facts.machineId,
    ProtectedID: protectedId(facts.machineId),
    UUID: crypto.randomUUID(),
  };
  return { Values: { ...facts.values, ...own }, ...own };
}

class StepRun {
  readonly problems: StageProblem[] = [];
  private module: string | undefined;

  constructor(
    private readonly planned: PlannedStep,
    private readonly machine: Host,
    private readonly recording: RecordingHost,
    private readonly facts: StageFacts,
    private readonly services: StageServices,
    private readonly dryRun: boolean,
    private readonly onEvent: (event: StageEvent) => void,
  ) {}

  private report(problem: StageProblem): void {
    const whole: StageProblem = {
      ...problem,
      ...(this.module === undefined ? {} : { module: this.module }),
      step: this.planned.id,
    };
    this.problems.push(whole);
    this.onEvent({ kind: 'problem', problem: whole });
  }

  private context(): ModuleContext {
    const renderText = (text: string, field: Field): string => {
      if (!text.includes('{{')) return text;
      const { file } = field.position;
      return this.services.render(text, templateData(this.facts), { file, origin: field.textOrigin });
    };
    return {
      host: this.recording.host,
      note: (change) => this.recording.note(change),
      facts: this.facts,
      dryRun: this.dryRun,
      services: this.services,
      report: (problem) => this.report(problem),
      query: (argv, options) => this.machine.run(argv, options),
      renderText,
      render(field) {
        const text = field.text();
        return text === undefined ? undefined : renderText(text, field);
      },
      attempt: async (field, action) => {
        try {
          await action();
          return true;
        } catch (error) {
          this.report(problemOf(error, { position: field.position }));
          return false;
        }
      },
      log: (line) => this.onEvent({ kind: 'output', step: this.planned, line }),
    };
  }

  /** @returns why the step was skipped, or `undefined` if it ran */
  async run(): Promise<string | undefined> {
    const { step } = this.planned;
    for (const [name, field] of step.keys) {
      if (!stepKeys.includes(name)) this.report(unknownKey(field, name, stepKeys));
    }
    const context = this.context();
    try {
      const reason = await reasonToSkip(step.keys, context);
      if (reason !== undefined) return reason;
    } catch (error) {
      this.report(problemOf(error, { position: step.field.position }));
      return 'a condition cannot be told';
    }
    for (const name of moduleNames) {
      const field = step.keys.get(name);
      if (field === undefined || field.empty) continue;
      this.module = name;
      await context.attempt(field, () => modules[name](field, context, step.keys));
    }
    this.module = undefined;
    return undefined;
  }
}

function hasError(problems: readonly StageProblem[]): boolean {
  return problems.some(({ severity }) => severity === 'error');
}

/**
 * What a run of a stage would consist of, in its order, with the reason for each place: for `--analyze`. Conditions are
 * not asked.
 */
export function planStage(
  host: Host,
  stage: string,
  options: Pick<RunStageOptions, 'directories' | 'documents'> = {},
): { readonly steps: readonly PlannedStep[]; readonly problems: readonly StageProblem[] } {
  const { files, problems } = collectStageFiles(host, options.directories ?? defaultStageDirectories, stage);
  for (const document of options.documents ?? []) {
    const read = stageFileOf(document);
    files.push(read.file);
    problems.push(...read.problems);
  }
  const order = orderStage(stage, files);
  return { steps: order.steps, problems: [...problems, ...firstProblems(order.problems)] };
}

/**
 * Runs a stage with its `.before` and `.after`. A failing step, an unreadable file or an unknown target never stops
 * the rest: everything wrong is in the result. Throws only for defects of the program.
 */
export async function runStage(
  host: Host,
  stage: string,
  options: RunStageOptions = {},
): Promise<StageResult> {
  const onEvent = options.onEvent ?? (() => undefined);
  const dryRun = options.dryRun ?? false;
  const order = planStage(host, stage, options);
  const problems = [...(options.problems ?? []), ...order.problems];
  for (const problem of problems) onEvent({ kind: 'problem', problem });

  const recording = recordingHost(host, dryRun);
  const facts = stageFacts(recording.host, options.facts);
  const services: StageServices = {
    ...defaultServices,
    // Reading images is loaded only where a step does it.
    unpackImage: async (source, target, { platform }) =>
      (await import('./unpack-image.ts')).unpackInto(host, source, target, platform),
    ...options.services,
  };
  const steps: StepResult[] = [];
  for (const planned of order.steps) {
    onEvent({ kind: 'started', step: planned });
    const started = performance.now();
    const run = new StepRun(planned, host, recording, facts, services, dryRun, onEvent);
    const skipped = await run.run();
    const errors = run.problems.filter(({ severity }) => severity === 'error').length;
    const reason = errors > 0 && skipped === undefined ? `${errors} error${errors > 1 ? 's' : ''}` : skipped;
    const result: StepResult = {
      id: planned.id,
      name: planned.step.name ?? planned.id,
      pass: planned.pass,
      file: planned.file.file,
      position: planned.step.field.position,
      status: errors > 0 ? 'failed' : skipped === undefined ? 'done' : 'skipped',
      ...(reason === undefined ? {} : { reason }),
      milliseconds: performance.now() - started,
      problems: firstProblems(run.problems),
      changes: recording.takeChanges(),
    };
    steps.push(result);
    problems.push(...result.problems);
    onEvent({ kind: 'ended', step: planned, result });
  }
  return { stage, steps, problems, failed: !(options.lenient ?? false) && hasError(problems) };
}

/** The error of a failed run, for commands that end with it; `undefined` where the run did not fail. */
export function stageError(result: StageResult): KairosError | undefined {
  if (!result.failed) return undefined;
  const errors = result.problems.filter(({ severity }) => severity === 'error');
  const failed = result.steps.filter(({ status }) => status === 'failed').length;
  const [first] = errors;
  return new KairosError(
    'STAGE_FAILED',
    `stage ${result.stage} ran with ${errors.length} error${errors.length === 1 ? '' : 's'} (${failed} of ${result.steps.length} steps failed)`,
    {
      exit: 'stageFailed',
      ...(first === undefined ? {} : { position: first.position }),
      details: { problems: errors },
    },
  );
}
