import type { Position } from '@kairos/facts/errors';
import type { Problem } from './problem.ts';
import { plainValue, type Tree } from './tree.ts';

/**
 * The merge of two configurations, the later one winning. For each pair of kinds (earlier, later):
 *
 * | earlier \ later | null | scalar | list | map |
 * |---|---|---|---|---|
 * | null | null | later | later | later |
 * | scalar | empty scalar of its kind | later | conflict | conflict |
 * | list | empty list | conflict | lists, below | conflict |
 * | map | empty map | conflict | conflict | key by key |
 *
 * Lists: if the earlier one begins with a map, the later items are appended as they are; else those that are not there
 * yet are appended. A conflict keeps the later value and is reported with both places. Nothing here throws.
 *
 * Key by key and scalar merges are associative. Lists are associative unless an empty list stands between a list of
 * maps and another, since it is the first item of the earlier list that decides; `null` is not, since it resets.
 */
export function merge(earlier: Tree, later: Tree, problems: Problem[], path: readonly string[] = []): Tree {
  const replaced = (): readonly Position[] => [earlier.at, ...earlier.replaced, ...later.replaced];
  if (isNull(earlier)) return { ...later, replaced: replaced() };
  if (isNull(later)) return { ...emptied(earlier), at: later.at, replaced: replaced() };
  if (earlier.kind === 'map' && later.kind === 'map') {
    const entries = new Map(earlier.entries);
    for (const [key, item] of later.entries) {
      const before = entries.get(key);
      entries.set(key, before === undefined ? item : merge(before, item, problems, [...path, key]));
    }
    return { kind: 'map', entries, at: earlier.at, replaced: earlier.replaced };
  }
  if (earlier.kind === 'list' && later.kind === 'list') {
    return {
      kind: 'list',
      items: mergeItems(earlier.items, later.items),
      at: earlier.at,
      replaced: earlier.replaced,
    };
  }
  if (earlier.kind !== later.kind) {
    problems.push({
      severity: 'error',
      code: 'MERGE_CONFLICT',
      message: `${path.join('.') || 'the document'} is a ${later.kind} here and a ${earlier.kind} elsewhere`,
      position: later.at,
      hint: 'Write both as the same kind; the later one is used',
      related: [{ position: earlier.at, message: `the ${earlier.kind} is here` }],
    });
  }
  return { ...later, replaced: replaced() };
}

function isNull(tree: Tree): boolean {
  return tree.kind === 'scalar' && tree.value === null;
}

/** What a later `null` makes of an earlier value: the empty value of its kind. */
function emptied(tree: Tree): Tree {
  if (tree.kind === 'list') return { ...tree, items: [] };
  if (tree.kind === 'map') return { ...tree, entries: new Map() };
  const value = { string: '', number: 0, boolean: false }[typeof tree.value as string] ?? null;
  return { ...tree, value };
}

/** A text that is equal for equal values, whatever the order of keys. */
function identity(tree: Tree): string {
  return JSON.stringify(plainValue(tree), (_, value) =>
    typeof value === 'bigint'
      ? `${value}n`
      : typeof value === 'object' && value !== null && !Array.isArray(value)
        ? Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)))
        : value,
  );
}

function mergeItems(earlier: readonly Tree[], later: readonly Tree[]): readonly Tree[] {
  if (earlier[0]?.kind === 'map') return [...earlier, ...later];
  const seen = new Set(earlier.map(identity));
  const items = [...earlier];
  for (const item of later) {
    const id = identity(item);
    if (seen.has(id)) continue;
    seen.add(id);
    items.push(item);
  }
  return items;
}
