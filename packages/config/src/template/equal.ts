import { nested } from './print.ts';
import type { Run } from './run.ts';
import { Float, isDict, Struct, type Value } from './value.ts';

/** Go's reflect.DeepEqual: the same type and content. */
export function deepEqual(a: Value, b: Value, run: Run, depth = 0): boolean {
  if (a === b) return true;
  if (a === undefined || a === null) return b === undefined || b === null;
  if (a instanceof Float) return b instanceof Float && a.value === b.value;
  if (Array.isArray(a)) {
    return (
      Array.isArray(b) &&
      a.length === b.length &&
      nested(a.length, depth, run, () =>
        a.every((element, index) => deepEqual(element, b[index], run, depth + 1)),
      )
    );
  }
  if (isDict(a)) {
    return (
      isDict(b) &&
      a.size === b.size &&
      nested(a.size, depth, run, () =>
        [...a].every(([key, value]) => b.has(key) && deepEqual(value, b.get(key), run, depth + 1)),
      )
    );
  }
  return a instanceof Struct && b instanceof Struct && a.typeName === b.typeName && a.toText() === b.toText();
}

/** The value as a key of a set where that decides equality, undefined where a deep look is needed. */
export function scalarKey(value: Value): string | undefined {
  if (value === undefined || value === null) return 'nil';
  if (value instanceof Float) return `float64 ${value.value}`;
  return typeof value === 'object' ? undefined : `${typeof value} ${value}`;
}
