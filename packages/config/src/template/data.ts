import { textOf } from './bytes.ts';
import { TemplateFailure } from './failure.ts';
import { Time } from './time.ts';
import { Callable, type Dict, Float, integer, isDict, Struct, type Value } from './value.ts';
import { utc } from './zone.ts';

/** Data nested deeper than this is refused. */
const maximumDepth = 1000;

/**
 * The data of a template as its values. A copy: what a template does with `set` stays in the template. Only own
 * enumerable properties count, so that nothing of JavaScript's prototypes is reached.
 * @throws TemplateFailure for data that is nested too deep
 */
export function importValue(data: unknown): Value {
  return importNested(data, new Map(), 0);
}

function importNested(data: unknown, seen: Map<object, Value>, depth: number): Value {
  switch (typeof data) {
    case 'string':
    case 'boolean':
      return data;
    case 'number':
      return Number.isSafeInteger(data) ? data + 0 : new Float(data);
    case 'bigint':
      return data === BigInt.asIntN(64, data) ? integer(data) : new Float(Number(data));
    case 'function':
      return new Callable((args) => importValue(data(...args.map(exportValue))));
    case 'object':
      return data === null ? null : importObject(data, seen, depth);
    default:
      return null;
  }
}

function importObject(data: object, seen: Map<object, Value>, depth: number): Value {
  if (depth > maximumDepth) throw new TemplateFailure(`the data is nested more than ${maximumDepth} deep`);
  const before = seen.get(data);
  if (before !== undefined) return before;
  if (data instanceof Date) {
    return Number.isNaN(data.getTime()) ? null : new Time(BigInt(data.getTime()) * 1_000_000n, utc);
  }
  if (data instanceof Uint8Array) return textOf(data);
  if (data instanceof Struct || data instanceof Float || data instanceof Callable) return data;
  if (Array.isArray(data) || data instanceof Set) {
    const list: Value[] = [];
    seen.set(data, list);
    for (const element of data) list.push(importNested(element, seen, depth + 1));
    return list;
  }
  const dict: Dict = new Map();
  seen.set(data, dict);
  for (const [key, value] of data instanceof Map ? data : Object.entries(data)) {
    dict.set(String(key), importNested(value, seen, depth + 1));
  }
  return dict;
}

/** A value for a function of the caller: plain JavaScript data, objects without a prototype. */
export function exportValue(value: Value): unknown {
  return exportNested(value, new Map());
}

function exportNested(value: Value, seen: Map<Value, unknown>): unknown {
  if (value === null || typeof value !== 'object') return value;
  if (value instanceof Float) return value.value;
  if (value instanceof Time) return new Date(Number(value.nanoseconds / 1_000_000n));
  if (value instanceof Struct) return value.toText();
  if (value instanceof Callable)
    return (...args: unknown[]) => exportValue(value.invoke(args.map(importValue)));
  const before = seen.get(value);
  if (before !== undefined) return before;
  if (isDict(value)) {
    const object: Record<string, unknown> = Object.create(null);
    seen.set(value, object);
    for (const [key, element] of value) object[key] = exportNested(element, seen);
    return object;
  }
  const list: unknown[] = [];
  seen.set(value, list);
  for (const element of value) list.push(exportNested(element, seen));
  return list;
}
