/** Text as Go's strings and unicode packages see it: character by character, not UTF-16 unit by unit. */

export const characters = (text: string): string[] => [...text];

const spaces = new Set(
  '\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000',
);
const letter = /^\p{L}$/u;
const digit = /^\p{Nd}$/u;
const ascii = /^[\0-\x7f]*$/;

/** Unicode's white space. Unlike JavaScript's, it holds U+0085 and not U+FEFF. */
export const isSpace = (character: string): boolean => spaces.has(character);
export const isUpper = (character: string): boolean => /^\p{Lu}$/u.test(character);
export const isLower = (character: string): boolean => /^\p{Ll}$/u.test(character);

/** One character for one character: the sharp s has no upper case in Go. */
export function upperCharacter(character: string): string {
  const mapped = character.toUpperCase();
  return characters(mapped).length === 1 ? mapped : character;
}

export const lowerCharacter = (character: string): string => characters(character.toLowerCase())[0] ?? '';

export const upper = (text: string): string =>
  ascii.test(text) ? text.toUpperCase() : characters(text).map(upperCharacter).join('');

export const lower = (text: string): string =>
  ascii.test(text) ? text.toLowerCase() : characters(text).map(lowerCharacter).join('');

export function trimSpace(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isSpace(text[start] ?? '')) start++;
  while (end > start && isSpace(text[end - 1] ?? '')) end--;
  return text.slice(start, end);
}

/** Whether a letter after it begins a word, for `title`. */
function separatesWords(character: string): boolean {
  if (/^[A-Za-z0-9_]$/.test(character)) return false;
  if (character <= '\x7f') return true;
  return !letter.test(character) && !digit.test(character) && isSpace(character);
}

export function title(text: string): string {
  let before = ' ';
  return characters(text)
    .map((character) => {
      const titled = separatesWords(before) ? upperCharacter(character) : character;
      before = character;
      return titled;
    })
    .join('');
}

/** The first character of each word in lower case. */
export function uncapitalize(text: string): string {
  let begins = true;
  return characters(text)
    .map((character) => {
      const result = begins && !isSpace(character) ? lowerCharacter(character) : character;
      begins = isSpace(character);
      return result;
    })
    .join('');
}

export function swapCase(text: string): string {
  return characters(text)
    .map((character) => {
      if (isUpper(character)) return lowerCharacter(character);
      return isLower(character) ? upperCharacter(character) : character;
    })
    .join('');
}

/**
 * Go's strings.SplitN: at most `count` parts, none for 0, all for a negative count; an empty separator cuts
 * between characters.
 */
export function splitText(text: string, separator: string, count = -1): string[] {
  if (count === 0) return [];
  const parts = separator === '' ? characters(text) : text.split(separator);
  if (count < 0 || parts.length <= count) return parts;
  return [...parts.slice(0, count - 1), parts.slice(count - 1).join(separator)];
}
