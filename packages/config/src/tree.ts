import type { Position } from '@kairos/facts/errors';
import type { Document } from './document.ts';

export type Scalar = string | number | boolean | bigint | Date | null;

interface Origin {
  readonly at: Position;
  /** Where its key stands, for a value of a map. */
  readonly key?: Position;
  /** The places whose values this one took over, the latest first. */
  readonly replaced: readonly Position[];
}

/** A value of a merged configuration that knows where it came from. */
export type Tree = Origin &
  (
    | { readonly kind: 'scalar'; readonly value: Scalar }
    | { readonly kind: 'list'; readonly items: readonly Tree[] }
    | { readonly kind: 'map'; readonly entries: ReadonlyMap<string, Tree> }
  );

/** How the tree of a value asks where things stand. */
export interface Places {
  positionOf(path: readonly (string | number)[]): Position;
  keyPositionOf?(path: readonly (string | number)[]): Position;
}

/** Deeper documents are refused: nobody writes them by hand, and recursion has its limits. */
export const maximumDepth = 100;

/**
 * The tree of a value whose positions are asked for one by one.
 * @throws RangeError for a value nested deeper than {@link maximumDepth}
 */
export function treeOf(value: unknown, places: Places, path: readonly (string | number)[] = []): Tree {
  if (path.length > maximumDepth) throw new RangeError(`nested deeper than ${maximumDepth}`);
  const at = places.positionOf(path);
  if (Array.isArray(value)) {
    return {
      kind: 'list',
      at,
      replaced: [],
      items: value.map((item, index) => treeOf(item, places, [...path, index])),
    };
  }
  if (typeof value === 'object' && value !== null && !(value instanceof Date)) {
    const entries = new Map<string, Tree>();
    for (const [name, item] of Object.entries(value)) {
      const below = [...path, name];
      const key = places.keyPositionOf?.(below);
      entries.set(name, { ...treeOf(item, places, below), ...(key === undefined ? {} : { key }) });
    }
    return { kind: 'map', at, replaced: [], entries };
  }
  return { kind: 'scalar', value: (value ?? null) as Scalar, at, replaced: [] };
}

/** The tree of a document. */
export function treeOfDocument(document: Document): Tree {
  return treeOf(document.value, document);
}

/** The plain value of a tree. */
export function plainValue(tree: Tree): unknown {
  switch (tree.kind) {
    case 'scalar':
      return tree.value;
    case 'list':
      return tree.items.map(plainValue);
    case 'map':
      return Object.fromEntries([...tree.entries].map(([key, item]) => [key, plainValue(item)]));
  }
}

/** The tree at a path, or `undefined`. */
export function subtree(tree: Tree, path: readonly (string | number)[]): Tree | undefined {
  let found: Tree | undefined = tree;
  for (const step of path) {
    if (found?.kind === 'map') found = found.entries.get(String(step));
    else if (found?.kind === 'list') found = found.items[Number(step)];
    else return undefined;
  }
  return found;
}
