import type { Position } from '@kairos/facts/errors';

/** Where the text of a template begins inside its file. */
export interface Origin {
  /** From 1. */
  readonly line: number;
  /** From 1: the column of the first character of the text. */
  readonly column: number;
  /** Columns that were taken off every further line, as the indentation of a YAML block is. Default 0. */
  readonly indent?: number;
}

/** The place of an offset of a template's text in the file that it came from. */
export function positionAt(text: string, offset: number, file: string, origin?: Origin): Position {
  const before = text.slice(0, offset);
  const newlines = before.split('\n').length - 1;
  const column = offset - (before.lastIndexOf('\n') + 1);
  const first = newlines === 0;
  return {
    file,
    line: (origin?.line ?? 1) + newlines,
    column: column + (first ? (origin?.column ?? 1) : 1 + (origin?.indent ?? 0)),
  };
}
