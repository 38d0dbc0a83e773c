const escapes: Readonly<Record<string, string>> = {
  '\x07': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '\\': '\\\\',
};
const printable = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u;
const plain = /^[ !#-[\]-~]*$/;

/** Whether Go prints the character as it is. */
export const isPrintable = (character: string): boolean => printable.test(character);

function escaped(character: string, quote: string, asciiOnly: boolean): string {
  if (character === quote) return `\\${character}`;
  const short = escapes[character];
  if (short !== undefined) return short;
  if (isPrintable(character) && !(asciiOnly && character > '~')) return character;
  const code = character.codePointAt(0) ?? 0;
  if (code >= 0xdc80 && code <= 0xdcff) return `\\x${(code - 0xdc00).toString(16)}`;
  if (code >= 0xd800 && code <= 0xdfff) return '\\ufffd';
  if (code < 0x20 || code === 0x7f) return `\\x${code.toString(16).padStart(2, '0')}`;
  return code > 0xffff
    ? `\\U${code.toString(16).padStart(8, '0')}`
    : `\\u${code.toString(16).padStart(4, '0')}`;
}

/** A string literal of Go, with its quotes: `%q`, or `%+q` for ASCII only. */
export function quote(text: string, asciiOnly = false): string {
  if (plain.test(text)) return `"${text}"`;
  let quoted = '"';
  for (const character of text) quoted += escaped(character, '"', asciiOnly);
  return `${quoted}"`;
}

/** A character literal of Go: `%q` of an integer. */
export const quoteCharacter = (character: string, asciiOnly = false): string =>
  `'${escaped(character, "'", asciiOnly)}'`;
