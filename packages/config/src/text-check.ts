import type { Position } from '@kairos/facts/errors';

/** Why something that was read from a file is not the text that a cloud-config is. */
export interface TextFault {
  readonly message: string;
  readonly hint?: string;
  readonly position: Position;
}

function positionAt(text: string, file: string, offset: number): Position {
  const before = text.slice(0, offset);
  return {
    file,
    line: before.split('\n').length,
    column: offset - (before.lastIndexOf('\n') + 1) + 1,
  };
}

/**
 * The first character that says that a text, decoded as UTF-8, was none: a NUL, or the sign that stands for bytes that
 * are not UTF-8. What a program made of such bytes would be something else than what the author wrote.
 */
export function textFault(text: string, file: string): TextFault | undefined {
  const zero = text.indexOf('\0');
  if (zero >= 0) {
    return {
      message: 'the file holds NUL characters: it is not a text',
      hint: 'Save the file as text in UTF-8',
      position: positionAt(text, file, zero),
    };
  }
  const unknown = text.indexOf('\uFFFD');
  if (unknown < 0) return undefined;
  return {
    message: 'the file holds bytes that are not UTF-8',
    hint: 'Save the file in UTF-8, or write the content in base64 with encoding: b64',
    position: positionAt(text, file, unknown),
  };
}
