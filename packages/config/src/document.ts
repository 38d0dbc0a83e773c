import { KairosError, type Position } from '@kairos/facts/errors';
import {
  isCollection,
  isMap,
  isNode,
  isPair,
  isScalar,
  LineCounter,
  type Node,
  parseDocument as parseYaml,
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

  function walk(path: Path): { value: Node | null; key: unknown } {
    let node: unknown = yaml.contents;
    let found: { value: Node | null; key: unknown } = { value: yaml.contents, key: undefined };
    for (const step of path) {
      if (!isCollection(node)) break;
      const pair = isMap(node)
        ? node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(step))
        : node.items[Number(step)];
      if (pair === undefined) break;
      const value = isPair(pair) ? pair.value : pair;
      node = value;
      found = { value: isNode(value) ? value : null, key: isPair(pair) ? pair.key : value };
    }
    return found;
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
  };
}
