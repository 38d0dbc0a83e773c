import { KairosError } from '@kairos/facts/errors';
import { stringify } from 'yaml';

/** A step of a query: a key, or an index of a list (negative from its end). */
function stepsOf(query: string): (string | number)[] {
  const steps: (string | number)[] = [];
  const pattern = /\.?([A-Za-z_][\w-]*)|\.?"((?:[^"\\]|\\.)*)"|\.?\["((?:[^"\\]|\\.)*)"\]|\.?\[(-?\d+)\]/y;
  const text = query.trim();
  let at = text === '.' ? 1 : 0;
  while (at < text.length) {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (!match) {
      throw new KairosError(
        'QUERY_INVALID',
        `Cannot read the query ${JSON.stringify(query)} from ${JSON.stringify(text.slice(at))} on`,
        {
          exit: 'usage',
          hint: 'Write a path such as oem.mounted or slots.active.version or list[0]',
        },
      );
    }
    const [, bare, quoted, bracketed, index] = match;
    steps.push(
      index === undefined ? (bare ?? (quoted ?? bracketed ?? '').replace(/\\(.)/g, '$1')) : Number(index),
    );
    at = pattern.lastIndex;
  }
  return steps;
}

/**
 * The value at a path such as `oem.mounted` or `.list[0].name`; `undefined` where there is nothing.
 * @throws KairosError `QUERY_INVALID`
 */
export function queryValue(value: unknown, query: string): unknown {
  let current = value;
  for (const step of stepsOf(query)) {
    if (current === undefined || current === null) return undefined;
    if (typeof step === 'number') {
      if (!Array.isArray(current)) return undefined;
      current = current.at(step);
    } else {
      if (typeof current !== 'object' || Array.isArray(current) || !Object.hasOwn(current, step))
        return undefined;
      current = (current as Readonly<Record<string, unknown>>)[step];
    }
  }
  return current;
}

/** A value as `state get` prints it: scalars bare, nothing as an empty line, mappings and lists as YAML. */
export function printValue(value: unknown): string {
  if (value === undefined || value === null) return '\n';
  return typeof value === 'object' ? stringify(value, { aliasDuplicateObjects: false }) : `${value}\n`;
}
