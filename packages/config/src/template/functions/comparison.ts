import { TemplateFailure } from '../failure.ts';
import { type TemplateFunction, takes, takesMany } from '../function.ts';
import { compareText, describe, Float, isInteger, Struct, type Value } from '../value.ts';

const isNothing = (value: Value): boolean => value === null || value === undefined;

/** Integers and floats compare: the data does not say which of the two a 1 was meant to be. */
function asNumber(value: Value): number | bigint | undefined {
  if (value instanceof Float) return value.value;
  return isInteger(value) ? value : undefined;
}

function mismatch(a: Value, b: Value): never {
  throw new TemplateFailure(
    `cannot compare ${describe(a)} with ${describe(b)}`,
    'toString or int makes both of one type',
  );
}

function equal(a: Value, b: Value): boolean {
  if (isNothing(a) || isNothing(b)) return isNothing(a) && isNothing(b);
  const left = asNumber(a);
  const right = asNumber(b);
  // Not ===: a bigint and a number may be equal without being the same.
  if (left !== undefined && right !== undefined) return left <= right && left >= right;
  if (typeof a === typeof b && (typeof a === 'string' || typeof a === 'boolean')) return a === b;
  if (a instanceof Struct && b instanceof Struct && a.typeName === b.typeName)
    return a.toText() === b.toText();
  return mismatch(a, b);
}

function less(a: Value, b: Value): boolean {
  const left = asNumber(a);
  const right = asNumber(b);
  if (left !== undefined && right !== undefined) return left < right;
  if (typeof a === 'string' && typeof b === 'string') return compareText(a, b) < 0;
  return mismatch(a, b);
}

export const comparisonFunctions: Readonly<Record<string, TemplateFunction>> = {
  eq: takesMany(['any', 'any'], 'any', (_, first, ...others) => others.some((other) => equal(first, other))),
  ne: takes(['any', 'any'], (_, a, b) => !equal(a, b)),
  lt: takes(['any', 'any'], (_, a, b) => less(a, b)),
  le: takes(['any', 'any'], (_, a, b) => less(a, b) || equal(a, b)),
  gt: takes(['any', 'any'], (_, a, b) => !less(a, b) && !equal(a, b)),
  ge: takes(['any', 'any'], (_, a, b) => !less(a, b)),
};
