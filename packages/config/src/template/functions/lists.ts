import { byteLength, bytesOf, sliceBytes } from '../bytes.ts';
import { deepEqual, scalarKey } from '../equal.ts';
import { TemplateFailure } from '../failure.ts';
import { type TemplateFunction, takes, takesMany } from '../function.ts';
import { print } from '../print.ts';
import type { Run } from '../run.ts';
import { compareText, describe, isDict, isInteger, isTrue, Struct, type Value } from '../value.ts';
import { toSmallInteger } from './numbers.ts';

/** The texts of a list; of a single value, that one; nil is left out. */
function texts(value: Value, run: Run): string[] {
  const list = Array.isArray(value) ? value : [value];
  run.spend(list.length);
  return list
    .filter((element) => element !== null && element !== undefined)
    .map((element) => print(element, run));
}

const contains = (list: readonly Value[], wanted: Value, run: Run): boolean =>
  list.some((element) => deepEqual(wanted, element, run));

function unique(run: Run, list: readonly Value[]): Value[] {
  const seen = new Set<string>();
  const found: Value[] = [];
  const deep: Value[] = [];
  for (const element of list) {
    run.spend(1);
    const key = scalarKey(element);
    if (key === undefined) {
      if (contains(deep, element, run)) continue;
      deep.push(element);
    } else {
      if (seen.has(key)) continue;
      seen.add(key);
    }
    found.push(element);
  }
  return found;
}

function bound(value: Value, length: number): number {
  if (!isInteger(value)) throw new TemplateFailure(`an index must be an integer, got ${describe(value)}`);
  if (value < 0 || value > length)
    throw new TemplateFailure(`the index ${value} is out of range: there are ${length}`);
  return Number(value);
}

/** A part of a string (in bytes) or of a list; without bounds, the whole. */
function slice(run: Run, value: Value, from: readonly Value[]): Value {
  if (from.length > 3) throw new TemplateFailure(`too many indexes: ${from.length}`);
  if (typeof value !== 'string' && !Array.isArray(value)) {
    throw new TemplateFailure(`cannot slice ${describe(value)}`);
  }
  if (Array.isArray(value) && value.length === 0) return null;
  const length = typeof value === 'string' ? byteLength(value) : value.length;
  const numbers = Array.isArray(value) ? from.map(toSmallInteger) : from;
  const start = bound(numbers[0] ?? 0, length);
  const end = bound(numbers[1] ?? length, length);
  if (start > end) throw new TemplateFailure(`the start ${start} is after the end ${end}`);
  run.spend(end - start);
  return typeof value === 'string' ? sliceBytes(value, start, end) : value.slice(start, end);
}

/** `index x 1 "a"` is `x[1]["a"]`. */
function index(value: Value, keys: readonly Value[]): Value {
  let found = value;
  if (found === undefined || found === null) throw new TemplateFailure('cannot index nil');
  for (const key of keys) {
    if (found === undefined || found === null) throw new TemplateFailure('cannot index nil');
    if (isDict(found)) {
      if (typeof key !== 'string')
        throw new TemplateFailure(`the key of a map is a string, got ${describe(key)}`);
      found = found.get(key) ?? null;
    } else if (Array.isArray(found)) {
      const at = bound(key, found.length);
      if (at === found.length)
        throw new TemplateFailure(`the index ${at} is out of range: there are ${found.length}`);
      found = found[at];
    } else if (typeof found === 'string') {
      const bytes = bytesOf(found);
      const at = bound(key, bytes.length);
      const byte = bytes[at];
      if (byte === undefined)
        throw new TemplateFailure(`the index ${at} is out of range: there are ${bytes.length}`);
      found = byte;
    } else {
      throw new TemplateFailure(`cannot index ${describe(found)}`);
    }
  }
  return found;
}

function length(value: Value): number {
  if (typeof value === 'string') return byteLength(value);
  if (Array.isArray(value)) return value.length;
  if (isDict(value)) return value.size;
  throw new TemplateFailure(`${describe(value)} has no length`);
}

function chunks(run: Run, size: number, list: readonly Value[]): Value[] {
  if (size < 1) throw new TemplateFailure(`chunks of ${size} elements cannot be`);
  run.spend(list.length);
  return Array.from({ length: Math.ceil(list.length / size) }, (_, at) =>
    list.slice(at * size, (at + 1) * size),
  );
}

/** A new list: the given one is left as it is. */
function made(run: Run, list: Value[]): Value[] {
  run.spendList(list.length);
  return list;
}

const append = takes(['list', 'any'], (run, list, value) => made(run, [...list, value]));
const chunk = takes(['int', 'list'], chunks);
const compact = takes(['list'], (run, list) =>
  made(
    run,
    list.filter((value) => value instanceof Struct || isTrue(value)),
  ),
);
const first = takes(['list'], (_, list) => list[0] ?? null);
const has = takes(['any', 'any'], (run, wanted, list) => {
  if (list === null || list === undefined) return false;
  if (!Array.isArray(list)) throw new TemplateFailure(`argument 2 must be a list, got ${describe(list)}`);
  return contains(list, wanted, run);
});
const initial = takes(['list'], (run, list) => made(run, list.slice(0, -1)));
const last = takes(['list'], (_, list) => list.at(-1) ?? null);
const makeList = takesMany([], 'any', (run, ...values) => made(run, values));
const prepend = takes(['list', 'any'], (run, list, value) => made(run, [value, ...list]));
const rest = takes(['list'], (run, list) => made(run, list.slice(1)));
const reverse = takes(['list'], (run, list) => made(run, list.toReversed()));
const sliced = takesMany(['any'], 'any', (run, value, ...from) => slice(run, value, from));
const uniq = takes(['list'], unique);
const without = takesMany(['list'], 'any', (run, list, ...omitted) =>
  made(
    run,
    list.filter((value) => !contains(omitted, value, run)),
  ),
);

export const listFunctions: Readonly<Record<string, TemplateFunction>> = {
  append,
  chunk,
  compact,
  concat: takesMany([], 'list', (run, ...lists) => made(run, lists.flat(1))),
  first,
  has,
  index: takesMany(['any'], 'any', (_, value, ...keys) => index(value, keys)),
  initial,
  join: takes(['string', 'any'], (run, separator, list) => {
    const parts = texts(list, run);
    run.spendText(parts.reduce((sum, part) => sum + part.length + separator.length, 0));
    return parts.join(separator);
  }),
  last,
  len: takes(['any'], (_, value) => length(value)),
  list: makeList,
  mustAppend: append,
  mustChunk: chunk,
  mustCompact: compact,
  mustFirst: first,
  mustHas: has,
  mustInitial: initial,
  mustLast: last,
  mustPrepend: prepend,
  mustPush: append,
  mustRest: rest,
  mustReverse: reverse,
  mustSlice: sliced,
  mustUniq: uniq,
  mustWithout: without,
  prepend,
  push: append,
  rest,
  reverse,
  slice: sliced,
  sortAlpha: takes(['any'], (run, list) => texts(list, run).sort(compareText)),
  toStrings: takes(['any'], (run, list) => texts(list, run)),
  tuple: makeList,
  uniq,
  without,
};
