import type { Token, TokenKind } from './lex.ts';
import { TemplateSyntaxError } from './syntax-error.ts';

/** Walks over the tokens of a template. */
export class TokenReader {
  readonly #tokens: readonly Token[];
  #at = 0;

  /** @param tokens the last of them is "end of template" */
  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  peek(): Token {
    // The last token is never passed.
    return this.#tokens[this.#at] as Token;
  }

  next(): Token {
    const token = this.peek();
    if (token.kind !== 'end of template') this.#at++;
    return token;
  }

  /** Puts the last token back. */
  back(): void {
    this.#at--;
  }

  peekAfterSpace(): Token {
    while (this.peek().kind === 'space') this.#at++;
    return this.peek();
  }

  /** The kind of the token before, spaces aside. */
  previousKind(): TokenKind | undefined {
    let index = this.#at - 1;
    while (this.#tokens[index]?.kind === 'space') index--;
    return this.#tokens[index]?.kind;
  }

  /** The next action if it begins with that keyword. */
  atKeyword(keyword: string): boolean {
    if (this.peek().kind !== 'open') return false;
    let index = this.#at + 1;
    while (this.#tokens[index]?.kind === 'space') index++;
    const token = this.#tokens[index];
    return token?.kind === 'keyword' && token.text === keyword;
  }

  /** Tries to read something; what gives undefined leaves the tokens as they were. */
  attempt<T>(read: () => T | undefined): T | undefined {
    const start = this.#at;
    const result = read();
    if (result === undefined) this.#at = start;
    return result;
  }

  expect(kind: TokenKind, context: string): Token {
    this.peekAfterSpace();
    const token = this.next();
    if (token.kind !== kind) this.unexpected(token, context);
    return token;
  }

  unexpected(token: Token, context: string, hint?: string): never {
    const shown = token.kind === 'end of template' ? 'end of the template' : JSON.stringify(token.text);
    throw new TemplateSyntaxError(`unexpected ${shown} in ${context}`, token.offset, hint);
  }
}
