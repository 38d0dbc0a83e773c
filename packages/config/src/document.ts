import type { Position } from '@kairos/facts/errors';
import { headerOf } from './document-header.ts';
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
  if (lean !== undefined) return leanDocument(lean, text, file);
  // Loaded when it is needed: most files of a node are plain, and a boot waits for what it loads.
  const { parseWholeDocument } = require('./whole-document.ts') as typeof import('./whole-document.ts');
  return parseWholeDocument(text, file);
}
