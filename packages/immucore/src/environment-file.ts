/** A line of an environment file that could not be read. */
export interface EnvironmentProblem {
  readonly line: number;
  readonly message: string;
}

export interface Environment {
  readonly values: ReadonlyMap<string, string>;
  readonly problems: readonly EnvironmentProblem[];
}

const assignment = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)$/s;
const blanks = /^[ \t\r\n]$/;

/**
 * Reads one value as a POSIX shell reads an assignment without expansions: single quotes are literal, in double quotes
 * a backslash escapes `"`, `\`, `$` and a backquote, and joins lines. Returns `undefined` for an open quote.
 */
function unquote(text: string): string | undefined {
  let value = '';
  let quote = '';
  for (let index = 0; index < text.length; index++) {
    const character = text.charAt(index);
    if (quote === "'") {
      if (character === "'") quote = '';
      else value += character;
    } else if (character === '\\') {
      const next = text.charAt(++index);
      if (next === '\n') continue;
      value += quote === '"' && !'"\\$`'.includes(next) ? `\\${next}` : next;
    } else if (quote === '"') {
      if (character === '"') quote = '';
      else value += character;
    } else if (character === '"' || character === "'") {
      quote = character;
    } else if (blanks.test(character)) {
      // A value ends at the first blank; only a comment may follow.
      return /^\s*(#.*)?$/s.test(text.slice(index)) ? value : `${value}${text.slice(index).trimEnd()}`;
    } else {
      value += character;
    }
  }
  return quote === '' ? value : undefined;
}

/**
 * Parses `KEY=VALUE` lines as cloud-configs and shell scripts write them: quotes, values that go over several lines
 * inside quotes, comments, `export`. A later line wins. An unquoted value with blanks is taken whole, because people
 * write `RW_PATHS=/var /etc`.
 */
export function parseEnvironment(text: string): Environment {
  const values = new Map<string, string>();
  const problems: EnvironmentProblem[] = [];
  const lines = text.split('\n');
  for (let index = 0; index < lines.length; index++) {
    const line = lines[index] ?? '';
    if (/^\s*(#|$)/.test(line)) continue;
    const match = assignment.exec(line);
    if (match === null) {
      problems.push({
        line: index + 1,
        message: `expected NAME=value, found ${JSON.stringify(line.trim())}`,
      });
      continue;
    }
    const [, name = '', rest = ''] = match;
    let whole = rest;
    let last = index;
    let value = unquote(whole);
    while (value === undefined && last + 1 < lines.length) {
      whole += `\n${lines[++last] ?? ''}`;
      value = unquote(whole);
    }
    if (value === undefined) {
      // The rest of the file is not swallowed by one forgotten quote.
      problems.push({ line: index + 1, message: `the quote of ${name} is never closed` });
      value = rest.replace(/^["']/, '').trim();
      last = index;
    }
    values.set(name, value);
    index = last;
  }
  return { values, problems };
}

/** The words of a list variable. Line breaks may have been written as `\n`, since a line is an assignment. */
export function listOf(value: string | undefined): string[] {
  return (value ?? '').split(/(?:\s|\\n)+/).filter((word) => word !== '');
}

/** Quotes a value so that a shell and {@link parseEnvironment} read it back. */
export function quoteValue(value: string): string {
  return `"${value.replace(/["\\$`]/g, '\\$&')}"`;
}
