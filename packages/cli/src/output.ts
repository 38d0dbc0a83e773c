import { type ExitKind, exitCodes, KairosError, reasonOf } from '@kairos/facts/errors';

/** Whether people are likely to see colours: a terminal, and no wish to the contrary. */
export function colourWanted(
  stream: { isTTY?: boolean },
  env: Readonly<Record<string, string | undefined>>,
): boolean {
  return stream.isTTY === true && !env.NO_COLOR && env.TERM !== 'dumb';
}

/** What a refusal of the system means to its user, where nothing nearer to it has said so. */
const refusals: Readonly<Record<string, readonly [exit: ExitKind, hint?: string]>> = {
  ENOENT: ['notFound'],
  ENOTDIR: ['notFound'],
  EISDIR: ['failure'],
  EACCES: ['notPermitted', 'Run it with sudo, or as somebody who may'],
  EPERM: ['notPermitted', 'Run it with sudo, or as somebody who may'],
  EROFS: ['notPermitted', 'Name a place that can be written to'],
  ENOSPC: ['noSpace', 'Make room, or name another place'],
  EDQUOT: ['noSpace', 'Make room, or name another place'],
  EIO: ['failure', 'The disk or the medium is failing: see dmesg'],
};

/** The refusal that an error of a system call is; `undefined` for anything else thrown. */
function refusalOf(error: unknown): readonly [exit: ExitKind, hint?: string] | undefined {
  if (!(error instanceof Error) || !('code' in error) || !('syscall' in error)) return undefined;
  return Object.hasOwn(refusals, String(error.code)) ? refusals[String(error.code)] : undefined;
}

/** An error as people read it: what failed and why, then the way out. */
export function formatError(error: unknown, options: { colour?: boolean; debug?: boolean } = {}): string {
  const red = (text: string) => (options.colour ? `\x1b[31m${text}\x1b[0m` : text);
  if (!(error instanceof KairosError)) {
    const reason = reasonOf(error);
    const stack = options.debug && error instanceof Error ? `\n${error.stack}` : '';
    const refusal = refusalOf(error);
    if (refusal !== undefined) {
      const [, hint] = refusal;
      return `${red('error')}: ${reason}${hint === undefined ? '' : `\n  hint: ${hint}`}${stack}`;
    }
    return `${red('error')}: ${reason}\n  This is a defect in the program; KAIROS_DEBUG=1 shows where.${stack}`;
  }
  const lines = [`${red('error')}: ${error.message}`];
  if (error.hint) lines.push(`  hint: ${error.hint}`);
  if (options.debug) lines.push(`  code: ${error.code}`, error.stack ?? '');
  return lines.join('\n');
}

/** The exit code of anything thrown. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof KairosError) return error.exitCode;
  return exitCodes[refusalOf(error)?.[0] ?? 'failure'];
}

/** An error as programs read it; docs/errors.md. */
export function errorAsJson(error: unknown): Readonly<Record<string, unknown>> {
  if (error instanceof KairosError) return error.toJSON();
  const refusal = refusalOf(error);
  const [, hint] = refusal ?? [];
  return {
    code: refusal === undefined ? 'FAILED' : (error as NodeJS.ErrnoException).code,
    message: reasonOf(error),
    ...(hint === undefined ? {} : { hint }),
    exitCode: exitCodeOf(error),
  };
}
