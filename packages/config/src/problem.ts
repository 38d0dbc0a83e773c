import type { Position } from '@kairos/facts/errors';

/** Something wrong in a document. All of them are collected; the first does not hide the rest. */
export interface Problem {
  readonly severity: 'error' | 'warning';
  /** Stable, upper snake case. */
  readonly code: string;
  /** What is wrong: what was found and what was expected. No final period. */
  readonly message: string;
  readonly position: Position;
  /** Characters that the caret line underlines. Default 1. */
  readonly length?: number;
  /** What to write instead. */
  readonly hint?: string;
  /** Other places that belong to it, such as the value that this one contradicts. */
  readonly related?: readonly { readonly position: Position; readonly message: string }[];
}

/** Whether any of the problems is an error. */
export function hasErrors(problems: readonly Problem[]): boolean {
  return problems.some(({ severity }) => severity === 'error');
}

/** Sorts by file, line and column, so that the same input always gives the same report. */
export function sortProblems(problems: readonly Problem[]): Problem[] {
  return problems.toSorted(
    (a, b) =>
      (a.position.file < b.position.file ? -1 : a.position.file > b.position.file ? 1 : 0) ||
      a.position.line - b.position.line ||
      a.position.column - b.position.column,
  );
}

/** Keys whose values are not shown to people: passwords, tokens, private keys. */
const secretKey = /passw|passphrase|token|secret|private[_-]?key|credential/i;

/** Whether a key at a path, or one above it, names something secret. */
export function isSecret(path: readonly (string | number)[]): boolean {
  return path.some((step) => typeof step === 'string' && secretKey.test(step));
}

/** A value without what its keys, or the keys that lead to it, call secret. */
export function valueWithoutSecrets(value: unknown, path: readonly (string | number)[] = []): unknown {
  if (Array.isArray(value)) return value.map((item, index) => valueWithoutSecrets(item, [...path, index]));
  if (typeof value === 'object' && value !== null && !(value instanceof Date)) {
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [key, valueWithoutSecrets(item, [...path, key])]),
    );
  }
  // What is empty or a switch tells nothing.
  if (value === null || value === '' || typeof value === 'boolean' || !isSecret(path)) return value;
  return '********';
}

/** Long lines are cut around the place that is shown. */
const shownWidth = 100;

const mask = '********';
/** A longer line is hidden as a whole where it says anything secret. */
const maskedLength = 4096;
/** A key and, in the last group, its value: at the start of a line, or in braces. */
const keyAndValue = [
  /^(\s*(?:-\s+)*["']?([\w.-]{1,99})["']?\s*:\s*)(\S.*)$/dg,
  /([{,]\s{0,99}["']?([\w.-]{1,99})["']?\s{0,99}:\s{1,99})("(?:[^"\\]|\\.)*"?|'[^']*'?|\[[^\]]*\]?|\{[^}]*\}?|[^\s,}\]](?:[^,}\]]*[^\s,}\]])?)/dg,
];
/** The user and the password of a URL. */
const password = /(:\/\/())([^\s/?#@]+)(?=@)/dg;
const assignment = /(\b([\w-]{1,99})=)("(?:[^"\\]|\\.)*"?|'[^']*'?|[^\s"',}\]](?:\S*[^\s,}\]])?)/dg;

/** What is empty or a switch tells nothing. */
const saysNothing = /^(?:true|false|null|~|""|'')$/i;

/** Where a line holds values that its keys call secret: beginnings and ends, in order. Keys tell where the mistake is. */
function secretParts(line: string): [start: number, end: number][] {
  const parts: [number, number][] = [];
  for (const pattern of [...keyAndValue, password, assignment]) {
    for (const { 2: key = '', indices } of line.matchAll(pattern)) {
      const value = indices?.[3];
      if (value === undefined || !(pattern === password || secretKey.test(key))) continue;
      if (saysNothing.test(line.slice(...value).trimEnd())) continue;
      if (parts.every(([start, end]) => value[1] <= start || value[0] >= end)) parts.push(value);
    }
  }
  return parts.sort(([a], [b]) => a - b);
}

/**
 * The line without what it keeps secret. Only values are hidden.
 *
 * @param column of a place in the line, from 1: given as where that place then is
 */
function masked(line: string, column: number): { readonly text: string; readonly column: number } {
  if (line.length > maskedLength) return { text: secretKey.test(line) ? mask : line, column };
  let text = '';
  let shift = 0;
  let from = 0;
  for (const [start, end] of secretParts(line)) {
    text += line.slice(from, start) + mask;
    if (column > end) shift += mask.length - (end - start);
    else if (column > start + 1) shift += start + 1 - column;
    from = end;
  }
  return { text: text + line.slice(from), column: column + shift };
}

/** The line without what it keeps secret. */
export function withoutSecrets(line: string): string {
  return masked(line, 1).text;
}

/**
 * A problem as a good compiler shows it: place, message, the line with a caret, the hint, related places.
 * `sourceOf` gives a file's text where it is still known.
 */
export function formatProblem(problem: Problem, sourceOf: (file: string) => string | undefined): string {
  const { position, severity, message } = problem;
  const lines = [`${position.file}:${position.line}:${position.column}: ${severity}: ${message}`];
  const raw = sourceOf(position.file)?.split('\n')[position.line - 1];
  if (raw !== undefined) {
    const line = raw.replace(/\r$/, '').replaceAll('\t', ' ');
    const { text: shown, column: place } = masked(
      line.replaceAll(/[\u0000-\u001f\u007f]/g, '\uFFFD'),
      position.column,
    );
    const column = Math.min(place, shown.length + 1);
    const start = column > shownWidth ? column - shownWidth / 2 : 0;
    const text = shown.slice(start, start + shownWidth);
    const gutter = String(position.line).padStart(5);
    const length = Math.max(1, Math.min(problem.length ?? 1, text.length - (column - 1 - start)));
    lines.push(
      `${gutter} | ${text}`,
      `${' '.repeat(5)} | ${' '.repeat(column - 1 - start)}${'^'.repeat(length)}`,
    );
  }
  if (problem.hint) lines.push(`      = hint: ${problem.hint}`);
  for (const related of problem.related ?? []) {
    const { file, line, column } = related.position;
    lines.push(`      = ${file}:${line}:${column}: ${related.message}`);
  }
  return lines.join('\n');
}
