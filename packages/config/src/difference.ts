import type { Position } from '@kairos/facts/errors';
import { plainValue, type Tree } from './tree.ts';

/** One way in which two configurations differ. */
export type Difference =
  | {
      readonly kind: 'added';
      readonly path: readonly string[];
      readonly value: unknown;
      readonly at: Position;
    }
  | {
      readonly kind: 'removed';
      readonly path: readonly string[];
      readonly value: unknown;
      readonly at: Position;
    }
  | {
      readonly kind: 'changed';
      readonly path: readonly string[];
      readonly before: unknown;
      readonly after: unknown;
      readonly beforeAt: Position;
      readonly at: Position;
    };

/** The differences between two configurations, by path. Lists are compared item by item. */
export function differences(before: Tree, after: Tree, path: readonly string[] = []): Difference[] {
  const children = (tree: Tree): ReadonlyMap<string, Tree> | undefined => {
    if (tree.kind === 'map') return tree.entries;
    if (tree.kind === 'list') return new Map(tree.items.map((item, index) => [String(index), item]));
    return undefined;
  };
  const left = children(before);
  const right = children(after);
  if (left === undefined || right === undefined || before.kind !== after.kind) {
    const [a, b] = [plainValue(before), plainValue(after)];
    if (Object.is(a, b)) return [];
    return [{ kind: 'changed', path, before: a, after: b, beforeAt: before.at, at: after.at }];
  }
  const result: Difference[] = [];
  for (const [key, item] of left) {
    const other = right.get(key);
    const below = [...path, key];
    if (other) result.push(...differences(item, other, below));
    else result.push({ kind: 'removed', path: below, value: plainValue(item), at: item.at });
  }
  for (const [key, item] of right) {
    if (!left.has(key))
      result.push({ kind: 'added', path: [...path, key], value: plainValue(item), at: item.at });
  }
  return result;
}
