/** Where in a user's text something was found. Lines and columns count from 1. */
export interface Position {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/**
 * Exit codes by kind of failure, documented in docs/errors.md. Scripts act on them, so a number once given
 * keeps its meaning.
 */
export const exitCodes = {
  /** Anything without a kind of its own, also a defect in the program. */
  failure: 1,
  /** The command line is wrong. */
  usage: 2,
  /** A document that the user wrote (cloud-config, definition) is not valid. */
  invalidInput: 10,
  /** A source (image, archive, base root, URL) cannot be found. */
  notFound: 11,
  /** A source is there and is not what it should be (truncated, wrong digest, hostile entry). */
  corruptSource: 12,
  /** A root or an image misses what an operating system image needs. */
  unsuitableImage: 13,
  /** A program that this one calls is missing on the machine. */
  missingTool: 14,
  /** A program that this one called failed. */
  toolFailed: 15,
  /** Root, or another privilege, is needed. */
  notPermitted: 16,
  /** Not enough space. */
  noSpace: 17,
  /** The target disk is refused (missing, mounted, too small, holds someone else's data). */
  unsuitableDisk: 18,
  /** The machine is in a state in which the operation is refused (boot state, another run in progress). */
  wrongState: 19,
  /** A registry, server or peer could not be reached or refused. */
  network: 20,
  /** A stage ran with failed steps. */
  stageFailed: 21,
  /** A check found a failed requirement. */
  checkFailed: 22,
  /** The user interrupted the run. */
  interrupted: 130,
} as const;

export type ExitKind = keyof typeof exitCodes;

export interface KairosErrorOptions {
  /** What the user can do about it: one sentence. */
  readonly hint?: string;
  readonly cause?: unknown;
  /** Decides the process exit code. Default `failure`. */
  readonly exit?: ExitKind;
  readonly position?: Position;
  /** Machine-readable particulars for `--json`, never secrets. */
  readonly details?: Readonly<Record<string, unknown>>;
}

/**
 * The one error class of the project. `code` is stable and upper snake case (`DISK_TOO_SMALL`); the message
 * says what failed and why, with sizes and positions, and has no final period.
 */
export class KairosError extends Error {
  readonly code: string;
  readonly hint: string | undefined;
  readonly exit: ExitKind;
  readonly position: Position | undefined;
  readonly details: Readonly<Record<string, unknown>> | undefined;

  constructor(code: string, message: string, options: KairosErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'KairosError';
    this.code = code;
    this.hint = options.hint;
    this.exit = options.exit ?? 'failure';
    this.position = options.position;
    this.details = options.details;
  }

  get exitCode(): number {
    return exitCodes[this.exit];
  }

  toJSON(): Record<string, unknown> {
    return {
      code: this.code,
      message: this.message,
      ...(this.hint === undefined ? {} : { hint: this.hint }),
      ...(this.position === undefined ? {} : { position: this.position }),
      ...(this.details === undefined ? {} : { details: this.details }),
      exitCode: this.exitCode,
    };
  }
}

/** The message of anything thrown, for use inside another message. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** True for a system error (`ENOENT`, `EEXIST`, ...) with the given code. */
export function isSystemError(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code));
}
