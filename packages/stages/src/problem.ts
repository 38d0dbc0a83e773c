import { type ExitKind, KairosError, type Position, reasonOf } from '@kairos/facts/errors';

/** Something wrong in a stage file or in what a step did. Problems are collected; they never stop other steps. */
export interface StageProblem {
  /** `error` makes the stage fail; `warning` is only told. */
  readonly severity: 'error' | 'warning';
  /** Stable and upper snake case, as of a `KairosError`. */
  readonly code: string;
  readonly message: string;
  readonly position?: Position;
  readonly hint?: string;
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
  place: { readonly position?: Position; readonly module?: string; readonly step?: string } = {},
): StageProblem {
  const position = error instanceof KairosError ? (error.position ?? place.position) : place.position;
  return {
    severity: 'error',
    code: error instanceof KairosError ? error.code : 'STEP_FAILED',
    message: reasonOf(error),
    ...(position === undefined ? {} : { position }),
    ...(error instanceof KairosError && error.hint !== undefined ? { hint: error.hint } : {}),
    ...(error instanceof KairosError ? { exit: error.exit } : {}),
    ...(place.module === undefined ? {} : { module: place.module }),
    ...(place.step === undefined ? {} : { step: place.step }),
  };
}

/** `file:line:column` for messages, or the bare file. */
export function showPosition(position: Position): string {
  return `${position.file}:${position.line}:${position.column}`;
}
