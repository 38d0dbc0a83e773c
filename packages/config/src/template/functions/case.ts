import { type TemplateFunction, takes } from '../function.ts';
import { characters, isUpper, lower, lowerCharacter, upperCharacter } from '../text.ts';

type WordKind = 'number' | 'upper' | 'lower' | 'connector' | 'punctuation' | 'other';

interface Word {
  readonly kind: WordKind;
  readonly text: string;
}

/** Letters of scripts that have words; those that have no case count as lower. */
const words: readonly (readonly [WordKind, RegExp])[] = [
  ['connector', /[-_\s\x85]+/uy],
  ['punctuation', /\p{P}+/uy],
  // "HTTPServer" is "HTTP" and "Server": the last capital belongs to what follows.
  ['upper', /\p{Lu}+(?=\p{Lu}[\p{L}--\p{Lu}])|\p{Lu}{2,}|\p{Lu}[\p{L}--\p{Lu}]*/vy],
  ['lower', /[\p{L}--\p{Lu}]+/vy],
  ['number', /\p{N}+/uy],
  ['other', /[^-_\s\x85\p{L}\p{N}\p{P}]+/uy],
];

function cut(text: string): Word[] {
  const found: Word[] = [];
  let at = 0;
  while (at < text.length) {
    const word = words
      .map(([kind, pattern]) => {
        pattern.lastIndex = at;
        return { kind, text: pattern.exec(text)?.[0] ?? '' };
      })
      .find((candidate) => candidate.text !== '');
    // What is none of them (a lone surrogate) stands for itself.
    found.push(word ?? { kind: 'other', text: text.charAt(at) });
    at += word?.text.length ?? 1;
  }
  return found;
}

/**
 * Words in lower case with a connector between them. A number begins a word when letters in lower case follow it
 * (`http2xx` → `http_2xx`) and ends one otherwise (`Bld4Floor` → `bld4_floor`).
 */
function connected(text: string, connector: string): string {
  const all = cut(text);
  const isLowerOrNumber = (word: Word | undefined): boolean =>
    word?.kind === 'lower' || word?.kind === 'number';
  let result = '';
  /** Whether a word has just ended, so that another needs a connector. */
  let open = false;
  for (let index = 0; index < all.length; index++) {
    const word = all[index];
    if (word === undefined) break;
    if (word.kind === 'connector') {
      result += connector.repeat(characters(word.text).length);
      open = false;
      continue;
    }
    if (word.kind === 'punctuation') {
      result += word.text;
      open = false;
      continue;
    }
    if (open) result += connector;
    open = true;
    result += word.kind === 'upper' ? lower(word.text) : word.text;
    if (word.kind === 'number') {
      while (isLowerOrNumber(all[index + 1])) result += all[++index]?.text ?? '';
    } else if (all[index + 1]?.kind === 'number' && all[index + 2]?.kind !== 'lower') {
      result += all[++index]?.text ?? '';
    }
  }
  return result;
}

/** Words without connectors, each with a capital: `http_server` → `HttpServer`. */
function pascal(text: string): string {
  let first = true;
  return text.replace(/([-_\s\x85]*)([^-_\s\x85]+)/gu, (_, connectors: string, word: string) => {
    // A connector is one character; those beyond it, and those at the start, stay.
    const kept = first ? connectors : connectors.slice(0, -1);
    first = false;
    return kept + capitalized(word);
  });
}

function capitalized(word: string): string {
  const [head = '', ...tail] = characters(word);
  if (!isUpper(head)) return upperCharacter(head) + tail.join('');
  const capitals = tail.findIndex((character) => !isUpper(character));
  const end = capitals < 0 ? tail.length : capitals;
  return head + tail.slice(0, end).map(lowerCharacter).join('') + tail.slice(end).join('');
}

export const caseFunctions: Readonly<Record<string, TemplateFunction>> = {
  camelcase: takes(['string'], (_, text) => pascal(text)),
  kebabcase: takes(['string'], (_, text) => connected(text, '-')),
  snakecase: takes(['string'], (_, text) => connected(text, '_')),
};
