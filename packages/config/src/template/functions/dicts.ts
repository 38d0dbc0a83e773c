import { TemplateFailure } from '../failure.ts';
import { type TemplateFunction, takes, takesMany } from '../function.ts';
import { nested, print } from '../print.ts';
import type { Run } from '../run.ts';
import { type Dict, describe, isDict, isTrue, sortedKeys, type Value } from '../value.ts';

function pairs(run: Run, values: readonly Value[]): Dict {
  const dict: Dict = new Map();
  for (let index = 0; index < values.length; index += 2) {
    dict.set(print(values[index], run), index + 1 < values.length ? values[index + 1] : '');
  }
  return dict;
}

/** Puts what `from` has into `into`, maps into maps. Without `overwrite`, only where there is nothing yet. */
function merge(run: Run, into: Dict, from: Dict, overwrite: boolean, depth = 0): Dict {
  if (into === from) return into;
  return nested(from.size, depth, run, () => {
    for (const [key, value] of from) {
      const there = into.get(key);
      if (isDict(there) && isDict(value)) merge(run, there, value, overwrite, depth + 1);
      else if (overwrite || !into.has(key) || (isTrue(value) && !isTrue(there))) into.set(key, value);
    }
    return into;
  });
}

const mergeAll =
  (overwrite: boolean) =>
  (run: Run, into: Dict, ...from: readonly Dict[]): Dict =>
    from.reduce((result, next) => merge(run, result, next, overwrite), into);

function copy(run: Run, value: Value, depth = 0): Value {
  if (Array.isArray(value)) {
    return nested(value.length, depth, run, () => value.map((element) => copy(run, element, depth + 1)));
  }
  if (!isDict(value)) return value;
  return nested(
    value.size,
    depth,
    run,
    () => new Map([...value].map(([key, element]) => [key, copy(run, element, depth + 1)])),
  );
}

/** The value under nested keys, or the default where one of them is missing. */
function dig(args: readonly Value[]): Value {
  const dict = args.at(-1);
  const otherwise = args.at(-2);
  let found: Value = dict;
  for (const key of args.slice(0, -2)) {
    if (typeof key !== 'string') throw new TemplateFailure(`a key must be a string, got ${describe(key)}`);
    if (!isDict(found)) throw new TemplateFailure(`cannot look up "${key}" in ${describe(found)}`);
    if (!found.has(key)) return otherwise;
    found = found.get(key);
  }
  return found;
}

const only = (dict: Dict, wanted: (key: string) => boolean): Dict =>
  new Map([...dict].filter(([key]) => wanted(key)));

const deepCopy = takes(['any'], (run, value) => copy(run, value));
const mergeKeeping = takesMany(['dict'], 'dict', mergeAll(false));
const mergeOver = takesMany(['dict'], 'dict', mergeAll(true));

export const dictFunctions: Readonly<Record<string, TemplateFunction>> = {
  deepCopy,
  dict: takesMany([], 'any', (run, ...values) => pairs(run, values)),
  dig: takesMany(['any', 'any', 'any'], 'any', (_, ...args) => dig(args)),
  get: takes(['dict', 'string'], (_, dict, key) => (dict.has(key) ? dict.get(key) : '')),
  hasKey: takes(['dict', 'string'], (_, dict, key) => dict.has(key)),
  keys: takesMany([], 'dict', (run, ...dicts) => {
    run.spend(dicts.reduce((sum, dict) => sum + dict.size, 0));
    return dicts.flatMap(sortedKeys);
  }),
  merge: mergeKeeping,
  mergeOverwrite: mergeOver,
  mustDeepCopy: deepCopy,
  mustMerge: mergeKeeping,
  mustMergeOverwrite: mergeOver,
  omit: takesMany(['dict'], 'string', (run, dict, ...keys) => {
    run.spend(dict.size);
    const omitted = new Set(keys);
    return only(dict, (key) => !omitted.has(key));
  }),
  pick: takesMany(['dict'], 'string', (run, dict, ...keys) => {
    run.spend(dict.size);
    const picked = new Set(keys);
    return only(dict, (key) => picked.has(key));
  }),
  pluck: takesMany(['string'], 'dict', (_, key, ...dicts) =>
    dicts.filter((dict) => dict.has(key)).map((dict) => dict.get(key)),
  ),
  set: takes(['any', 'string', 'any'], (_, dict, key, value) => {
    if (!isDict(dict)) throw new TemplateFailure(`argument 1 must be a map, got ${describe(dict)}`);
    return dict.set(key, value);
  }),
  unset: takes(['dict', 'string'], (_, dict, key) => {
    dict.delete(key);
    return dict;
  }),
  values: takes(['dict'], (run, dict) => {
    run.spend(dict.size);
    return sortedKeys(dict).map((key) => dict.get(key));
  }),
};
