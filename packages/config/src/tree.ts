import type { Position } from '@kairos/facts/errors';
import type { Document } from './document.ts';

export type Scalar = string | number | boolean | bigint | Date | null;

/** How the tree of a value asks where things stand. */
export interface Places {
  positionOf(path: readonly (string | number)[]): Position;
  keyPositionOf?(path: readonly (string | number)[]): Position;
}

/**
 * Where a value came from. Places are looked up when somebody asks: most values of most configurations are fine, and
 * finding lines and columns is most of what a parser with positions costs.
 */
class Origin {
  constructor(
    private readonly places: Places,
    private readonly parent: Origin | undefined,
    private readonly step: string | number,
  ) {}

  private get path(): (string | number)[] {
    const path: (string | number)[] = [];
    for (let origin: Origin = this; origin.parent !== undefined; origin = origin.parent)
      path.unshift(origin.step);
    return path;
  }

  get position(): Position {
    return this.places.positionOf(this.path);
  }

  /** Where the key stands, for a value of a map. */
  get keyPosition(): Position | undefined {
    if (this.parent === undefined || typeof this.step === 'number') return undefined;
    return this.places.keyPositionOf?.(this.path);
  }
}

const nothing: readonly Origin[] = [];

abstract class Located {
  constructor(
    protected readonly origin: Origin,
    private readonly taken: readonly Origin[] = nothing,
  ) {}

  get at(): Position {
    return this.origin.position;
  }

  /** Where its key stands, for a value of a map. */
  get key(): Position | undefined {
    return this.origin.keyPosition;
  }

  /** The places whose values this one took over, the latest first. */
  get replaced(): readonly Position[] {
    return this.taken.map((origin) => origin.position);
  }

  protected get places(): readonly [Origin, readonly Origin[]] {
    return [this.origin, this.taken];
  }

  /** `value`, which `later` gave, in the place of this one; it remembers both. */
  replacedBy(later: Tree, value: Tree = later): Tree {
    const { origin, taken: before }: Located = later;
    const taken = [this.origin, ...this.taken, ...before];
    if (value.kind === 'scalar') return new ScalarTree(value.value, origin, taken);
    if (value.kind === 'list') return new ListTree(value.items, origin, taken);
    return new MapTree(value.entries, origin, taken);
  }
}

class ScalarTree extends Located {
  readonly kind = 'scalar';
  constructor(
    readonly value: Scalar,
    origin: Origin,
    taken?: readonly Origin[],
  ) {
    super(origin, taken);
  }

  withValue(value: Scalar): ScalarTree {
    return new ScalarTree(value, ...this.places);
  }
}

class ListTree extends Located {
  readonly kind = 'list';
  constructor(
    readonly items: readonly Tree[],
    origin: Origin,
    taken?: readonly Origin[],
  ) {
    super(origin, taken);
  }

  withItems(items: readonly Tree[]): ListTree {
    return new ListTree(items, ...this.places);
  }
}

class MapTree extends Located {
  readonly kind = 'map';
  constructor(
    readonly entries: ReadonlyMap<string, Tree>,
    origin: Origin,
    taken?: readonly Origin[],
  ) {
    super(origin, taken);
  }

  withEntries(entries: ReadonlyMap<string, Tree>): MapTree {
    return new MapTree(entries, ...this.places);
  }
}

/** A value of a merged configuration that knows where it came from. */
export type Tree = ScalarTree | ListTree | MapTree;

/** Deeper documents are refused: nobody writes them by hand, and recursion has its limits. */
export const maximumDepth = 100;

function grow(value: unknown, places: Places, origin: Origin, depth: number): Tree {
  if (depth > maximumDepth) throw new RangeError(`nested deeper than ${maximumDepth}`);
  if (Array.isArray(value)) {
    const items = value.map((item, index) =>
      grow(item, places, new Origin(places, origin, index), depth + 1),
    );
    return new ListTree(items, origin);
  }
  if (typeof value === 'object' && value !== null && !(value instanceof Date)) {
    const entries = new Map<string, Tree>();
    for (const name of Object.keys(value)) {
      const item = (value as Readonly<Record<string, unknown>>)[name];
      entries.set(name, grow(item, places, new Origin(places, origin, name), depth + 1));
    }
    return new MapTree(entries, origin);
  }
  return new ScalarTree((value ?? null) as Scalar, origin);
}

/**
 * The tree of a value whose positions are asked for one by one.
 * @throws RangeError for a value nested deeper than {@link maximumDepth}
 */
export function treeOf(value: unknown, places: Places): Tree {
  return grow(value, places, new Origin(places, undefined, ''), 0);
}

/** The tree of a document. */
export function treeOfDocument(document: Document): Tree {
  return treeOf(document.value, document);
}

/** The plain value of a tree. */
export function plainValue(tree: Tree): unknown {
  if (tree.kind === 'scalar') return tree.value;
  if (tree.kind === 'list') return tree.items.map(plainValue);
  const value: Record<string, unknown> = {};
  for (const [key, item] of tree.entries) {
    // An assignment to __proto__ would not make a key.
    if (key === '__proto__')
      Object.defineProperty(value, key, {
        value: plainValue(item),
        enumerable: true,
        configurable: true,
        writable: true,
      });
    else value[key] = plainValue(item);
  }
  return value;
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
