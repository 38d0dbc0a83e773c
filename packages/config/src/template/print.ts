import { TemplateFailure } from './failure.ts';
import { limits, type Run } from './run.ts';
import { Callable, type Dict, Float, isDict, isInteger, sortedKeys, type Value } from './value.ts';

/**
 * A float as Go's `%v` prints it: the shortest digits that read back the same, with an exponent from 1e+06 on and
 * below 1e-04.
 */
export function printFloat(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
  if (Object.is(value, -0)) return '-0';
  if (value === 0) return '0';
  const [mantissa = '', power = ''] = value.toExponential().split('e');
  const exponent = Number(power);
  if (exponent >= -4 && exponent < 6) return String(value);
  return `${mantissa}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`;
}

/** The text of a value as Go's `%v` prints it; nil is `<nil>`. */
export function print(value: Value, run: Run, depth = 0): string {
  if (typeof value === 'string') return value;
  if (value === undefined || value === null) return '<nil>';
  if (typeof value === 'boolean' || isInteger(value)) return String(value);
  if (value instanceof Float) return printFloat(value.value);
  if (value instanceof Callable) return '<function>';
  if (Array.isArray(value)) {
    const parts = nested(value.length, depth, run, () =>
      value.map((element) => print(element, run, depth + 1)),
    );
    return `[${joined(parts, run)}]`;
  }
  if (isDict(value)) return `map[${joined(entries(value, run, depth), run)}]`;
  return value.toText();
}

function entries(dict: Dict, run: Run, depth: number): string[] {
  return nested(dict.size, depth, run, () =>
    sortedKeys(dict).map((key) => `${key}:${print(dict.get(key), run, depth + 1)}`),
  );
}

function joined(parts: readonly string[], run: Run): string {
  run.spendText(parts.reduce((sum, part) => sum + part.length + 1, 0));
  return parts.join(' ');
}

/** Guards a walk into a value: templates can build values that contain themselves, or that grow without end. */
export function nested<T>(elements: number, depth: number, run: Run, walk: () => T): T {
  if (depth >= limits.depth) {
    throw new TemplateFailure(
      `a value is nested more than ${limits.depth} deep, or contains itself`,
      undefined,
      true,
    );
  }
  run.spend(elements + limits.nodeCost);
  return walk();
}

/** What an action writes: as `print`, but nothing at all is `<no value>`. */
export function printAction(value: Value, run: Run): string {
  return value === undefined || value === null ? '<no value>' : print(value, run);
}

/** Go's fmt.Sprint: a space between two neighbours of which neither is a string. */
export function printAll(values: readonly Value[], run: Run): string {
  let text = '';
  values.forEach((value, index) => {
    if (index > 0 && typeof value !== 'string' && typeof values[index - 1] !== 'string') text += ' ';
    text += print(value, run);
  });
  run.spendText(text.length);
  return text;
}
