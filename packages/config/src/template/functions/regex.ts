import type { RE2JS } from 're2js';
import { TemplateFailure } from '../failure.ts';
import { type TemplateFunction, takes } from '../function.ts';
import { limits, type Run } from '../run.ts';

/**
 * Patterns are Go's (RE2) and run on an engine without backtracking: no pattern makes it exponential. What is left is
 * bounded by the length of the input, the size of the compiled pattern and, for many matches, by the clock.
 */
const maximumInput = 1024 * 1024;
const maximumPattern = 10_000;
/** For all matches of one call. Only a pattern that looks at the whole rest of the input for each match gets there. */
const maximumMilliseconds = 5000;

interface Match {
  readonly start: number;
  readonly end: number;
  /** The text of a group by number or name, empty for one that took no part or is not there. */
  readonly group: (name: string) => string;
}

function compile(run: Run, pattern: string): RE2JS {
  if (pattern.length > maximumPattern) {
    throw new TemplateFailure(
      `the pattern has ${pattern.length} characters; the limit is ${maximumPattern}`,
      undefined,
      true,
    );
  }
  run.spend(pattern.length);
  // The engine is as large as the rest of the language; most templates have no patterns.
  const engine = require('re2js') as typeof import('re2js');
  try {
    return engine.RE2JS.compile(pattern);
  } catch (error) {
    throw new TemplateFailure(
      `the pattern is not valid: ${error instanceof Error ? error.message : String(error)}`,
      'Patterns are those of Go (RE2): no lookaround and no backreferences',
    );
  }
}

/** Go's FindAll: matches that do not overlap; an empty one right after another does not count. */
function* matches(run: Run, pattern: string, text: string): Generator<Match> {
  if (text.length > maximumInput) {
    throw new TemplateFailure(
      `the text has ${text.length} characters; the limit is ${maximumInput}`,
      undefined,
      true,
    );
  }
  const expression = compile(run, pattern);
  run.spend(Math.ceil((text.length * expression.programSize()) / 2));
  const deadline = performance.now() + maximumMilliseconds;
  const groups = expression.namedGroups();
  const matcher = expression.matcher(text);
  let at = 0;
  let previousEnd = -1;
  while (at <= text.length && matcher.find(at)) {
    run.spend(limits.nodeCost);
    if (performance.now() > deadline) {
      throw new TemplateFailure(
        `the pattern takes more than ${maximumMilliseconds / 1000} s`,
        undefined,
        true,
      );
    }
    const start = matcher.start();
    const end = matcher.end();
    if (start !== end || start !== previousEnd) {
      yield {
        start,
        end,
        group(name) {
          const number = /^\d+$/.test(name)
            ? Number(name)
            : Object.hasOwn(groups, name)
              ? groups[name]
              : undefined;
          return number === undefined || number > matcher.groupCount() ? '' : (matcher.group(number) ?? '');
        },
      };
    }
    previousEnd = end;
    at = end > at ? end : at + ((text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1);
  }
}

function findAll(run: Run, pattern: string, text: string, count: number): string[] {
  const found: string[] = [];
  if (count === 0) return found;
  for (const { start, end } of matches(run, pattern, text)) {
    found.push(text.slice(start, end));
    if (found.length === count) break;
  }
  return found;
}

function find(run: Run, pattern: string, text: string): string {
  return findAll(run, pattern, text, 1)[0] ?? '';
}

function replaceAll(run: Run, pattern: string, text: string, replacement: (match: Match) => string): string {
  let result = '';
  let last = 0;
  for (const match of matches(run, pattern, text)) {
    result += text.slice(last, match.start) + replacement(match);
    if (result.length > limits.text) run.spendText(result.length);
    last = match.end;
  }
  return result + text.slice(last);
}

/** `$1`, `$name`, `${1}` and `$$`; the longest name counts: `$1x` is the group "1x". */
const expand = (template: string, { group }: Match): string =>
  template.replace(
    /\$(?:\$|([\p{L}\p{Nd}_]+)|\{([\p{L}\p{Nd}_]+)\})/gu,
    (_, name?: string, braced?: string) => {
      const wanted = name ?? braced;
      return wanted === undefined ? '$' : group(wanted);
    },
  );

function split(run: Run, pattern: string, text: string, count: number): string[] {
  if (count === 0) return [];
  if (pattern !== '' && text === '') return [''];
  const parts: string[] = [];
  let begin = 0;
  let end = 0;
  for (const match of matches(run, pattern, text)) {
    if (count > 0 && parts.length === count - 1) break;
    end = match.start;
    if (match.end !== 0) parts.push(text.slice(begin, end));
    begin = match.end;
  }
  if (end !== text.length) parts.push(text.slice(begin));
  return parts;
}

const regexFind = takes(['string', 'string'], find);
const regexFindAll = takes(['string', 'string', 'int'], findAll);
const regexMatch = takes(['string', 'string'], (run, pattern, text) => {
  for (const _ of matches(run, pattern, text)) return true;
  return false;
});
const regexReplaceAll = takes(['string', 'string', 'string'], (run, pattern, text, replacement) =>
  replaceAll(run, pattern, text, (match) => expand(replacement, match)),
);
const regexReplaceAllLiteral = takes(['string', 'string', 'string'], (run, pattern, text, replacement) =>
  replaceAll(run, pattern, text, () => replacement),
);
const regexSplit = takes(['string', 'string', 'int'], split);

export const regexFunctions: Readonly<Record<string, TemplateFunction>> = {
  mustRegexFind: regexFind,
  mustRegexFindAll: regexFindAll,
  mustRegexMatch: regexMatch,
  mustRegexReplaceAll: regexReplaceAll,
  mustRegexReplaceAllLiteral: regexReplaceAllLiteral,
  mustRegexSplit: regexSplit,
  regexFind,
  regexFindAll,
  regexMatch,
  regexQuoteMeta: takes(['string'], (_, text) => text.replace(/[\\.+*?()|[\]{}^$]/g, '\\$&')),
  regexReplaceAll,
  regexReplaceAllLiteral,
  regexSplit,
};
