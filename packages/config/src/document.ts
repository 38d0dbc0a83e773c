import { KairosError, type Position } from '@kairos/facts/errors';
import {
  isAlias,
  isCollection,
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument as parseYaml,
  type Scalar,
} from 'yaml';
import { type LeanNode, parseLeanYaml } from './lean-yaml.ts';

/** The way to a value inside a document: keys and list indexes from the root. */
export type Path = readonly (string | number)[];

/** A YAML document that remembers where each value stands. */
export interface Document {
  readonly file: string;
  readonly text: string;
  /** `#cloud-config`, `#kairos-config` or `#node-config`, where one of the first lines is exactly that. */
  readonly header: string | undefined;
  /** The plain value; `null` for an empty document. */
  readonly value: unknown;
  /** The position of the value at a path, or of the nearest parent that exists. */
  positionOf(path: Path): Position;
  /** The position of the key itself, for complaints about the key. */
  keyPositionOf(path: Path): Position;
  /**
   * A scalar as it was written (`0644`, `1.10`), through aliases and merge keys; `undefined` where the path is not
   * a scalar. Types of YAML lose what the author wrote.
   */
  sourceOf(path: Path): string | undefined;
}

const headers = ['#cloud-config', '#kairos-config', '#node-config'];
/** A header counts within the first lines only, so that a comment far below does not make a file ours. */
const headerLines = 9;

export function headerOf(text: string): string | undefined {
  for (const line of text.split('\n', headerLines)) {
    const trimmed = line.trimEnd();
    if (headers.includes(trimmed)) return trimmed;
  }
  return undefined;
}

/** The name of a key; the parser holds a merge key as a symbol. */
function nameOf(key: Scalar): string {
  return typeof key.value === 'symbol' ? (key.value.description ?? '') : String(key.value);
}

/**
 * Parses one document with the parser of the whole language.
 * @throws KairosError `YAML_INVALID` at the first syntax error
 */
export function parseWholeDocument(text: string, file: string): Document {
  const lines = new LineCounter();
  const yaml = parseYaml(text, { lineCounter: lines, merge: true, prettyErrors: false });
  const at = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { file, line: Math.max(1, line), column: Math.max(1, col) };
  };
  const [problem] = yaml.errors;
  if (problem) {
    const position = at(problem.pos[0]);
    throw new KairosError('YAML_INVALID', `${file}:${position.line}:${position.column}: ${problem.message}`, {
      exit: 'invalidInput',
      position,
    });
  }
  const start = (node: unknown): number | undefined => (isNode(node) ? node.range?.[0] : undefined);

  const resolved = (node: unknown): unknown => (isAlias(node) ? node.resolve(yaml) : node);

  /** The pair of a key, own or merged in by `<<`. */
  function pairOf(map: unknown, key: string): Pair | undefined {
    if (!isMap(map)) return undefined;
    const own = map.items.find((item) => isScalar(item.key) && nameOf(item.key) === key);
    if (own) return own;
    for (const item of map.items) {
      if (!isScalar(item.key) || nameOf(item.key) !== '<<') continue;
      const merged = resolved(item.value);
      for (const source of isSeq(merged) ? merged.items.map(resolved) : [merged]) {
        const pair = pairOf(source, key);
        if (pair) return pair;
      }
    }
    return undefined;
  }

  function walk(path: Path): { value: Node | null; key: unknown; whole: boolean } {
    let node: unknown = yaml.contents;
    let found: { value: Node | null; key: unknown } = { value: yaml.contents, key: undefined };
    for (const step of path) {
      const collection = resolved(node);
      if (!isCollection(collection)) return { ...found, whole: false };
      const pair = isMap(collection) ? pairOf(collection, String(step)) : collection.items[Number(step)];
      if (pair === undefined) return { ...found, whole: false };
      const value = isPair(pair) ? pair.value : pair;
      node = value;
      found = { value: isNode(value) ? value : null, key: isPair(pair) ? pair.key : value };
    }
    return { ...found, whole: true };
  }

  return {
    file,
    text,
    header: headerOf(text),
    value: yaml.toJS({ maxAliasCount: 100 }) ?? null,
    positionOf(path) {
      const { value, key } = walk(path);
      return at(start(value) ?? start(key) ?? 0);
    },
    keyPositionOf(path) {
      const { value, key } = walk(path);
      return at(start(key) ?? start(value) ?? 0);
    },
    sourceOf(path) {
      const { value, whole } = walk(path);
      const node = resolved(value);
      return whole && isScalar(node) && typeof node.source === 'string' ? node.source : undefined;
    },
  };
}

/** Offsets as lines and columns, counted from 1. The lines are found when the first place is asked for. */
function linesOf(text: string, file: string): (offset: number) => Position {
  let starts: number[] | undefined;
  return (offset) => {
    if (starts === undefined) {
      starts = [0];
      for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
    }
    let [low, high] = [0, starts.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((starts[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return { file, line: low + 1, column: offset - (starts[low] ?? 0) + 1 };
  };
}

function leanDocument(root: LeanNode, text: string, file: string): Document {
  const at = linesOf(text, file);
  function walk(path: Path): { node: LeanNode; keyStart: number; whole: boolean } {
    let node = root;
    let keyStart = root.start;
    for (const step of path) {
      if ('pairs' in node) {
        const pair = node.pairs.get(String(step));
        if (pair === undefined) return { node, keyStart, whole: false };
        ({ node, keyStart } = pair);
      } else if ('items' in node) {
        const item = node.items[Number(step)];
        if (item === undefined) return { node, keyStart, whole: false };
        node = item;
        keyStart = item.start;
      } else return { node, keyStart, whole: false };
    }
    return { node, keyStart, whole: true };
  }
  return {
    file,
    text,
    header: headerOf(text),
    value: root.value,
    positionOf: (path) => at(walk(path).node.start),
    keyPositionOf: (path) => at(walk(path).keyStart),
    sourceOf(path) {
      const { node, whole } = walk(path);
      return whole && 'source' in node ? node.source : undefined;
    },
  };
}

/**
 * Parses one YAML document.
 * @throws KairosError `YAML_INVALID` at the first syntax error
 */
export function parseDocument(text: string, file: string): Document {
  const lean = parseLeanYaml(text);
  return lean === undefined ? parseWholeDocument(text, file) : leanDocument(lean, text, file);
}
