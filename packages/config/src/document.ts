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
 * Parses one YAML document.
 * @throws KairosError `YAML_INVALID` at the first syntax error
 */
export function parseDocument(text: string, file: string): Document {
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
