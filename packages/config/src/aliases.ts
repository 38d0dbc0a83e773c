import { isNode, type Node, visit, type Document as YamlDocument } from 'yaml';

/** What is wrong with an alias, and where it stands in the text. */
export interface AliasFault {
  readonly offset: number;
  readonly message: string;
  readonly hint?: string;
}

/**
 * The first alias that names nothing, that stands inside of what it names, or that makes more of the document than
 * `limit` allows. The library refuses the latter without a place, and takes a ring for a value without an end.
 *
 * @param limit how often what one anchor stands for may be used, and how many aliases it may hold; default: any number
 */
export function aliasFault(yaml: YamlDocument, limit = Number.POSITIVE_INFINITY): AliasFault | undefined {
  const anchors = new Map<string, Node>();
  /** Uses of an anchor so far, and how many aliases what it stands for holds. */
  const uses = new Map<Node, number>();
  const weights = new Map<unknown, number>();
  let fault: AliasFault | undefined;
  visit(yaml, {
    Node(_, node) {
      if ('anchor' in node && typeof node.anchor === 'string') anchors.set(node.anchor, node);
    },
    Alias(_, alias, path) {
      const offset = alias.range?.[0] ?? 0;
      const named = anchors.get(alias.source);
      if (named === undefined) {
        fault = {
          offset,
          message: `the alias *${alias.source} names nothing: no anchor &${alias.source} stands before it`,
        };
        return visit.BREAK;
      }
      if (path.includes(named)) {
        fault = { offset, message: `the alias *${alias.source} stands inside of what it names` };
        return visit.BREAK;
      }
      const count = (uses.get(named) ?? 0) + 1;
      uses.set(named, count);
      const weight = 1 + (weights.get(named) ?? 0);
      if (Math.max(count, weight) > limit) {
        fault = {
          offset,
          message: `the alias *${alias.source} makes too much of the document`,
          hint: `Of one anchor at most ${limit} aliases are taken, those in what they stand for included`,
        };
        return visit.BREAK;
      }
      for (const parent of path) {
        if (isNode(parent)) weights.set(parent, (weights.get(parent) ?? 0) + weight);
      }
      return undefined;
    },
  });
  return fault;
}
