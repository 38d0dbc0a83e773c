import { TemplateFailure } from './failure.ts';
import { nested } from './print.ts';
import type { Run } from './run.ts';
import { Callable, Float, isDict, isInteger, sortedKeys, type Value } from './value.ts';

export interface JsonOptions {
  /** Spaces for each level; 0 puts all on one line. */
  readonly indent?: number;
  /** Leave `<`, `>` and `&` as they are. */
  readonly raw?: boolean;
}

/** Go escapes these for HTML, and the two that are line ends in JavaScript always. */
const htmlCharacters = /[<>&]/g;
const lineSeparators = /[\u2028\u2029]/g;
const unicodeEscape = (character: string): string =>
  `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;

/**
 * JSON as Go's encoding/json writes it: keys sorted, numbers as JavaScript has them.
 * @throws TemplateFailure for what JSON cannot hold
 */
export function encodeJson(value: Value, run: Run, { indent = 0, raw = false }: JsonOptions = {}): string {
  const text = (plain: string): string => {
    const quoted = JSON.stringify(plain.toWellFormed()).replace(lineSeparators, unicodeEscape);
    return raw ? quoted : quoted.replace(htmlCharacters, unicodeEscape);
  };
  const wrapped = (open: string, parts: readonly string[], close: string, depth: number): string => {
    if (parts.length === 0) return open + close;
    run.spendText(parts.reduce((sum, part) => sum + part.length + 1 + indent * (depth + 1), 0));
    if (indent === 0) return open + parts.join(',') + close;
    const margin = `\n${' '.repeat(indent * depth)}`;
    const inner = margin + ' '.repeat(indent);
    return open + inner + parts.join(`,${inner}`) + margin + close;
  };
  const encode = (part: Value, depth: number): string => {
    if (part === undefined || part === null) return 'null';
    if (typeof part === 'boolean' || isInteger(part)) return String(part);
    if (typeof part === 'string') return text(part);
    if (part instanceof Float) {
      if (!Number.isFinite(part.value)) throw new TemplateFailure(`JSON has no ${part.value}`);
      return Object.is(part.value, -0) ? '-0' : String(part.value);
    }
    if (part instanceof Callable) throw new TemplateFailure('JSON has no functions');
    if (Array.isArray(part)) {
      const parts = nested(part.length, depth, run, () => part.map((element) => encode(element, depth + 1)));
      return wrapped('[', parts, ']', depth);
    }
    if (isDict(part)) {
      const parts = nested(part.size, depth, run, () =>
        sortedKeys(part).map(
          (key) => `${text(key)}:${indent > 0 ? ' ' : ''}${encode(part.get(key), depth + 1)}`,
        ),
      );
      return wrapped('{', parts, '}', depth);
    }
    return text(part.toJson?.() ?? part.toText());
  };
  return encode(value, 0);
}

/** The value of a JSON text, undefined where it is none. Numbers are floats, as in Go. */
export function decodeJson(text: string): Value {
  try {
    return fromParsed(JSON.parse(text), 0);
  } catch {
    return undefined;
  }
}

/** Deeper than any template can walk. */
const maximumDepth = 1000;

function fromParsed(parsed: unknown, depth: number): Value {
  if (depth > maximumDepth) throw new RangeError('too deep');
  if (typeof parsed === 'number') return new Float(parsed);
  if (typeof parsed === 'string' || typeof parsed === 'boolean') return parsed;
  if (Array.isArray(parsed)) return parsed.map((element) => fromParsed(element, depth + 1));
  if (typeof parsed !== 'object' || parsed === null) return null;
  return new Map(Object.entries(parsed).map(([key, element]) => [key, fromParsed(element, depth + 1)]));
}
