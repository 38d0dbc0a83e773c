import type { Problem } from '@kairos/config/problem';
import { type ExitKind, KairosError, type Position, reasonOf } from '@kairos/facts/errors';

/**
 * Something wrong in a stage file or in what a step did. Problems are collected; they never stop other steps.
 * `error` makes the stage fail; `warning` is only told.
 */
export interface StageProblem extends Problem {
  /** The module of the step (`files`, `users`, ...), where one was at work. */
  readonly module?: string;
  /** The identifier of the step, as `after` would name it. */
  readonly step?: string;
  /** Kind of the failure, for exit codes. */
  readonly exit?: ExitKind;
}

export type ProblemSink = (problem: StageProblem) => void;

/** A problem out of anything thrown. A position of the error wins over the given one, which is less exact. */
export function problemOf(
  error: unknown,
  place: { readonly position: Position; readonly module?: string; readonly step?: string },
): StageProblem {
  const known = error instanceof KairosError ? error : undefined;
  const position = known?.position ?? place.position;
  // The place is shown before the message; errors of the parser say it themselves.
  const said = `${position.file}:${position.line}:${position.column}: `;
  const reason = reasonOf(error);
  return {
    severity: 'error',
    code: known?.code ?? 'STEP_FAILED',
    message: reason.startsWith(said) ? reason.slice(said.length) : reason,
    ...(known?.hint === undefined ? {} : { hint: known.hint }),
    ...(known === undefined ? {} : { exit: known.exit }),
    ...place,
    position,
  };
}

/** `file:line:column` for messages. */
export function showPosition(position: Position): string {
  return `${position.file}:${position.line}:${position.column}`;
}

/** As many problems of one file, or of one step, as somebody may want to read. */
const maximumProblems = 100;

/** The first problems of one place, with one that counts the others: a hostile file has a hundred thousand. */
export function firstProblems(problems: readonly StageProblem[]): readonly StageProblem[] {
  const next = problems[maximumProblems];
  if (next === undefined) return problems;
  const more = problems.slice(maximumProblems);
  return [
    ...problems.slice(0, maximumProblems),
    {
      ...next,
      severity: more.some(({ severity }) => severity === 'error') ? 'error' : 'warning',
      code: 'TOO_MANY_PROBLEMS',
      message: `there are ${more.length} further problems from here on`,
    },
  ];
}
