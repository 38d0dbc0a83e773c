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
  if (isNull(earlier)) return earlier.replacedBy(later);
  if (isNull(later)) return earlier.replacedBy(later, emptied(earlier));
  if (earlier.kind === 'map' && later.kind === 'map') {
    const entries = new Map(earlier.entries);
    for (const [key, item] of later.entries) {
      const before = entries.get(key);
      entries.set(key, before === undefined ? item : merge(before, item, problems, [...path, key]));
    }
    return earlier.withEntries(entries);
  }
  if (earlier.kind === 'list' && later.kind === 'list') {
    return earlier.withItems(mergeItems(earlier.items, later.items));
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
  return earlier.replacedBy(later);
}

function isNull(tree: Tree): boolean {
  return tree.kind === 'scalar' && tree.value === null;
}

/** What a later `null` makes of an earlier value: the empty value of its kind. */
function emptied(tree: Tree): Tree {
  if (tree.kind === 'list') return tree.withItems([]);
  if (tree.kind === 'map') return tree.withEntries(new Map());
  return tree.withValue({ string: '', number: 0, boolean: false }[typeof tree.value as string] ?? null);
}

/** A text that is equal for equal values, whatever the order of keys. */
function identity(tree: Tree): string {
  if (tree.kind === 'scalar' && typeof tree.value === 'string') return `"${tree.value}`;
  return JSON.stringify(plainValue(tree), (_, value) =>
    typeof value === 'bigint'
      ? `${value}n`
      : typeof value === 'object' && value !== null && !Array.isArray(value)
        ? Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)))
        : value,
  );
}

/** What is in a merged list already. A list that grows with every file would else be read anew each time. */
const known = new WeakMap<readonly Tree[], Set<string>>();

function mergeItems(earlier: readonly Tree[], later: readonly Tree[]): readonly Tree[] {
  if (earlier[0]?.kind === 'map') return earlier.concat(later);
  const seen = known.get(earlier) ?? new Set(earlier.map(identity));
  // Two results may follow from one earlier list; the set goes to the first of them only.
  known.delete(earlier);
  const items = earlier.slice();
  for (const item of later) {
    const id = identity(item);
    if (seen.has(id)) continue;
    seen.add(id);
    items.push(item);
  }
  known.set(items, seen);
  return items;
}
