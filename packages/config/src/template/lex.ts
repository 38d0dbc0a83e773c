import { limits } from './run.ts';
import { TemplateSyntaxError } from './syntax-error.ts';

/**
 * The tokens of Go's text/template. A field keeps its dot (`.name`), a variable its dollar (`$name`); a space is a
 * token because it separates arguments: `$x.y` is one operand and `$x .y` are two.
 */
export type TokenKind =
  | 'text'
  | 'open'
  | 'close'
  | 'space'
  | 'keyword'
  | 'identifier'
  | 'field'
  | 'variable'
  | 'dot'
  | 'boolean'
  | 'nil'
  | 'number'
  | 'character'
  | 'string'
  | 'rawString'
  | 'pipe'
  | 'declare'
  | 'assign'
  | 'comma'
  | 'leftParen'
  | 'rightParen'
  | 'end of template';

export interface Token {
  readonly kind: TokenKind;
  readonly text: string;
  /** Where it begins, in UTF-16 units of the template's text. */
  readonly offset: number;
}

export type Delimiters = readonly [open: string, close: string];

export const defaultDelimiters: Delimiters = ['{{', '}}'];

const keywords = new Set([
  'if',
  'else',
  'end',
  'range',
  'with',
  'define',
  'template',
  'block',
  'break',
  'continue',
]);

const word = /[\p{L}\p{Nd}_]*/uy;
/** As wide as Go's scanner; whether it is a number is decided where its value is read. */
const number =
  /[+-]?(?:0[xX][\da-fA-F_]*(?:\.[\da-fA-F_]*)?(?:[pP][+-]?[\d_]*)?|0[oO][0-7_]*|0[bB][01_]*|[\d_]*(?:\.[\d_]*)?(?:[eE][+-]?[\d_]*)?)i?/y;
const quoted = /"(?:[^"\\\n]|\\[^\n])*"/uy;
const character = /'(?:[^'\\\n]|\\[^\n])*'/uy;
const rawString = /`[^`]*`/y;

const punctuation: Readonly<Record<string, TokenKind>> = {
  '|': 'pipe',
  '=': 'assign',
  ',': 'comma',
  '(': 'leftParen',
  ')': 'rightParen',
};
const reserved: ReadonlyMap<string, TokenKind> = new Map([
  ['nil', 'nil'],
  ['true', 'boolean'],
  ['false', 'boolean'],
]);
/** What the literals are called in a message. */
const literals = { string: 'string', rawString: 'raw string', character: 'character' } as const;

const isSpace = (char: string | undefined): boolean =>
  char === ' ' || char === '\t' || char === '\n' || char === '\r';

/**
 * Cuts a template into tokens, ending with `end of template`.
 * @throws TemplateSyntaxError at the first thing that is no token
 */
export function lex(text: string, delimiters: Delimiters = defaultDelimiters): Token[] {
  return new Lexer(text, delimiters).run();
}

class Lexer {
  readonly #text: string;
  readonly #open: string;
  readonly #close: string;
  readonly #tokens: Token[] = [];
  #at = 0;

  constructor(text: string, [open, close]: Delimiters) {
    this.#text = text;
    this.#open = open;
    this.#close = close;
  }

  run(): Token[] {
    while (this.#textUntilAction()) this.#action();
    this.#push('end of template', this.#at);
    return this.#tokens;
  }

  #push(kind: TokenKind, end: number): void {
    this.#tokens.push({ kind, text: this.#text.slice(this.#at, end), offset: this.#at });
    this.#at = end;
  }

  /** Where a sticky pattern that matches here ends, or -1. */
  #match(pattern: RegExp, from = this.#at): number {
    pattern.lastIndex = from;
    return pattern.test(this.#text) ? pattern.lastIndex : -1;
  }

  #spaceEnd(from: number): number {
    let end = from;
    while (isSpace(this.#text[end])) end++;
    return end;
  }

  /** Takes the text before the next action and enters that; false at the end of the template. */
  #textUntilAction(): boolean {
    const text = this.#text;
    for (;;) {
      const action = text.indexOf(this.#open, this.#at);
      const afterOpen = action + this.#open.length;
      // "{{- " trims; the space is needed, since "{{-3}}" is a number.
      const trims = action >= 0 && text[afterOpen] === '-' && isSpace(text[afterOpen + 1]);
      let end = action < 0 ? text.length : action;
      while (trims && end > this.#at && isSpace(text[end - 1])) end--;
      if (end > this.#at) this.#push('text', end);
      if (action < 0) return false;
      const inside = afterOpen + (trims ? 2 : 0);
      if (!text.startsWith('/*', inside)) {
        this.#tokens.push({ kind: 'open', text: this.#open, offset: action });
        this.#at = inside;
        return true;
      }
      this.#skipComment(action, inside);
    }
  }

  #skipComment(action: number, inside: number): void {
    const hint = `A comment is ${this.#open}/* text */${this.#close}`;
    const end = this.#text.indexOf('*/', inside + 2);
    if (end < 0) throw new TemplateSyntaxError('the comment is not closed', action, hint);
    const closing = this.#closingAt(end + 2);
    if (closing === undefined) {
      throw new TemplateSyntaxError(`the comment is not followed by ${this.#close}`, end + 2, hint);
    }
    this.#leave(closing);
  }

  /** A closing delimiter here, with its trim mark if it has one. */
  #closingAt(at: number): { start: number; end: number; trims: boolean } | undefined {
    const text = this.#text;
    if (isSpace(text[at]) && text[at + 1] === '-' && text.startsWith(this.#close, at + 2)) {
      return { start: at + 2, end: at + 2 + this.#close.length, trims: true };
    }
    if (!text.startsWith(this.#close, at)) return undefined;
    return { start: at, end: at + this.#close.length, trims: false };
  }

  #leave(closing: { end: number; trims: boolean }): void {
    this.#at = closing.trims ? this.#spaceEnd(closing.end) : closing.end;
  }

  /** The tokens of one action with its closing delimiter. */
  #action(): void {
    const start = this.#tokens.at(-1)?.offset ?? this.#at;
    let parens = 0;
    for (;;) {
      const closing = this.#closingAt(this.#at);
      if (closing !== undefined) {
        if (parens > 0) throw new TemplateSyntaxError('a "(" is not closed', this.#at);
        this.#tokens.push({ kind: 'close', text: this.#close, offset: closing.start });
        this.#leave(closing);
        return;
      }
      const char = this.#text[this.#at];
      if (char === undefined) {
        throw new TemplateSyntaxError(
          `the action is not closed: ${this.#close} is missing`,
          start,
          `Text that holds ${this.#open} itself is written ${this.#open}"${this.#open}"${this.#close}`,
        );
      }
      if (char === '(') parens++;
      if (char === ')' && --parens < 0) throw new TemplateSyntaxError('")" without "("', this.#at);
      this.#inside(char);
    }
  }

  #inside(char: string): void {
    const text = this.#text;
    const at = this.#at;
    const single = punctuation[char];
    if (isSpace(char)) {
      const end = this.#spaceEnd(at);
      // The last space may belong to a trimming "-}}".
      this.#push('space', this.#closingAt(end - 1)?.trims ? end - 1 : end);
    } else if (single !== undefined) {
      this.#push(single, at + 1);
    } else if (char === ':') {
      if (text[at + 1] !== '=') {
        throw new TemplateSyntaxError('":" without "="', at, 'A variable is declared with :=');
      }
      this.#push('declare', at + 2);
    } else if (char === '"') {
      this.#literal('string', quoted, 'A string ends on its line; one in `backquotes` may span lines');
    } else if (char === '`') {
      this.#literal('rawString', rawString);
    } else if (char === "'") {
      this.#literal('character', character, 'A string is written in "double quotes"');
    } else if (char === '$') {
      this.#word('variable', this.#match(word, at + 1));
    } else if (char === '.' && !/[0-9]/.test(text[at + 1] ?? '')) {
      const end = this.#match(word, at + 1);
      this.#word(end === at + 1 ? 'dot' : 'field', end);
    } else if (/[0-9+\-.]/.test(char)) {
      this.#number();
    } else {
      this.#name();
    }
  }

  #name(): void {
    const end = this.#match(word);
    if (end === this.#at) {
      const found = String.fromCodePoint(this.#text.codePointAt(end) ?? 0);
      throw new TemplateSyntaxError(`unexpected character ${JSON.stringify(found)}`, end);
    }
    const name = this.#text.slice(this.#at, end);
    this.#word(keywords.has(name) ? 'keyword' : (reserved.get(name) ?? 'identifier'), end);
  }

  #literal(kind: keyof typeof literals, pattern: RegExp, hint?: string): void {
    const end = this.#match(pattern);
    if (end < 0) throw new TemplateSyntaxError(`the ${literals[kind]} is not closed`, this.#at, hint);
    this.#push(kind, end);
  }

  #number(): void {
    const end = this.#match(number);
    const after = this.#match(word, end);
    if (after > end || /[+-]/.test(this.#text[end] ?? '')) {
      const found = this.#text.slice(this.#at, Math.max(after, end + 1));
      throw new TemplateSyntaxError(`${JSON.stringify(found)} is not a number`, this.#at);
    }
    this.#push('number', end);
  }

  /** A word must be followed by something that ends it, so that `$x+2` is refused and not misread. */
  #word(kind: TokenKind, end: number): void {
    if (end - this.#at > limits.name) {
      throw new TemplateSyntaxError(
        `the name has ${end - this.#at} characters; the limit is ${limits.name}`,
        this.#at,
      );
    }
    const next = this.#text[end];
    const ends =
      next === undefined ||
      isSpace(next) ||
      '.,|:)('.includes(next) ||
      this.#text.startsWith(this.#close, end);
    if (!ends) {
      const found = String.fromCodePoint(this.#text.codePointAt(end) ?? 0);
      const before = this.#text.slice(this.#at, end);
      throw new TemplateSyntaxError(`unexpected ${JSON.stringify(found)} after "${before}"`, end);
    }
    this.#push(kind, end);
  }
}
