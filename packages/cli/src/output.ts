import { KairosError, reasonOf } from '@kairos/facts/errors';

/** Whether people are likely to see colours: a terminal, and no wish to the contrary. */
export function colourWanted(
  stream: { isTTY?: boolean },
  env: Readonly<Record<string, string | undefined>>,
): boolean {
  return stream.isTTY === true && !env.NO_COLOR && env.TERM !== 'dumb';
}

/** An error as people read it: what failed and why, then the way out. */
export function formatError(error: unknown, options: { colour?: boolean; debug?: boolean } = {}): string {
  const red = (text: string) => (options.colour ? `\x1b[31m${text}\x1b[0m` : text);
  if (!(error instanceof KairosError)) {
    const reason = reasonOf(error);
    const stack = options.debug && error instanceof Error ? `\n${error.stack}` : '';
    return `${red('error')}: ${reason}\n  This is a defect in the program; KAIROS_DEBUG=1 shows where.${stack}`;
  }
  const lines = [`${red('error')}: ${error.message}`];
  if (error.hint) lines.push(`  hint: ${error.hint}`);
  if (options.debug) lines.push(`  code: ${error.code}`, error.stack ?? '');
  return lines.join('\n');
}

/** The exit code of anything thrown. */
export function exitCodeOf(error: unknown): number {
  return error instanceof KairosError ? error.exitCode : 1;
}
