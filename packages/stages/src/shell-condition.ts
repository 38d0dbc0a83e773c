import type { HostFiles } from '@kairos/host/host';
import { resolvePath } from './links.ts';

/**
 * Conditions that need no shell. Boot configurations ask `[ -e FILE ]` and `grep -q WORD FILE` dozens of times, and
 * on a small processor a process costs more than everything else in a step. Only texts that match this grammar
 * exactly are taken; for anything else `parseCondition` gives `undefined` and `sh` decides.
 *
 *     list     = pipeline { ("&&" | "||") pipeline }       left to right, equal precedence, as in sh
 *     pipeline = ["!"] command
 *     command  = "(" list ")" | "[" test "]" | "test" test | "grep" {"-q" | "-v" | "-w"} word word | "true" | "false"
 *     test     = ["!"] ("-e" | "-f" | "-d" | "-s" | "-r") word
 *     word     = plain characters, '…' or "…" without expansions
 */
export type Condition =
  | { readonly kind: 'constant'; readonly value: boolean }
  | { readonly kind: 'file'; readonly test: FileTest; readonly path: string }
  | {
      readonly kind: 'grep';
      readonly text: string;
      readonly path: string;
      readonly inverted: boolean;
      readonly word: boolean;
    }
  | { readonly kind: 'not'; readonly condition: Condition }
  | { readonly kind: 'and' | 'or'; readonly left: Condition; readonly right: Condition };

const fileTests = ['-e', '-f', '-d', '-s', '-r'] as const;
type FileTest = (typeof fileTests)[number];

interface Token {
  readonly text: string;
  /** An operator of the shell, not a word. */
  readonly operator: boolean;
  /** Some of it was quoted, so it is no operator and no keyword. */
  readonly quoted: boolean;
}

/** Tokens of the plain subset, or `undefined` where the text needs a shell. */
function tokensOf(text: string): Token[] | undefined {
  const tokens: Token[] = [];
  let rest = text;
  for (;;) {
    rest = rest.replace(/^[ \t]+/, '');
    if (rest === '') return tokens;
    const operator = /^(?:&&|\|\||\(|\))/.exec(rest)?.[0];
    if (operator !== undefined) {
      tokens.push({ text: operator, operator: true, quoted: false });
      rest = rest.slice(operator.length);
      // The shell goes on to the next line after these.
      if (operator !== ')') rest = rest.replace(/^\s+/, '');
      continue;
    }
    let word = '';
    let quoted = false;
    let length = 0;
    for (;;) {
      const part =
        /^[A-Za-z0-9_./,:=@%+![\]-]+/.exec(rest) ??
        /^'[^'\n\0]*'/.exec(rest) ??
        /^"[^"$`\\\n\0]*"/.exec(rest);
      if (part === null) break;
      const literal = part[0];
      const isQuoted = literal.startsWith("'") || literal.startsWith('"');
      quoted ||= isQuoted;
      word += isQuoted ? literal.slice(1, -1) : literal;
      length += literal.length;
      rest = rest.slice(literal.length);
    }
    if (length === 0 || !/^(?:$|[ \t()&|])/.test(rest)) return undefined;
    // A bracket inside a bare word is a pattern of file names.
    if (!quoted && /[[\]]/.test(word) && word !== '[' && word !== ']') return undefined;
    tokens.push({ text: word, operator: false, quoted });
  }
}

class Parser {
  private place = 0;
  constructor(
    private readonly tokens: readonly Token[],
    private readonly root: boolean,
  ) {}

  private peek(text: string, operator: boolean): boolean {
    const token = this.tokens[this.place];
    return token !== undefined && !token.quoted && token.operator === operator && token.text === text;
  }

  private take(text: string, operator: boolean): boolean {
    if (!this.peek(text, operator)) return false;
    this.place++;
    return true;
  }

  private word(): string | undefined {
    const token = this.tokens[this.place];
    if (token === undefined || token.operator) return undefined;
    this.place++;
    return token.text;
  }

  whole(): Condition | undefined {
    const condition = this.list();
    return this.place === this.tokens.length ? condition : undefined;
  }

  private list(): Condition | undefined {
    let left = this.pipeline();
    while (left !== undefined) {
      const kind = this.take('&&', true) ? 'and' : this.take('||', true) ? 'or' : undefined;
      if (kind === undefined) return left;
      const right = this.pipeline();
      if (right === undefined) return undefined;
      left = { kind, left, right };
    }
    return undefined;
  }

  private pipeline(): Condition | undefined {
    if (!this.take('!', false)) return this.command();
    const condition = this.command();
    return condition && { kind: 'not', condition };
  }

  private command(): Condition | undefined {
    if (this.take('(', true)) {
      const inner = this.list();
      return inner !== undefined && this.take(')', true) ? inner : undefined;
    }
    if (this.take('[', false)) {
      const test = this.test();
      return test !== undefined && this.take(']', false) ? test : undefined;
    }
    if (this.take('test', false)) return this.test();
    if (this.take('grep', false)) return this.grep();
    if (this.take('true', false)) return { kind: 'constant', value: true };
    if (this.take('false', false)) return { kind: 'constant', value: false };
    return undefined;
  }

  private test(): Condition | undefined {
    if (this.take('!', false)) {
      const condition = this.test();
      // `[ ! ! -e x ]` is not the same everywhere.
      return condition?.kind === 'file' ? { kind: 'not', condition } : undefined;
    }
    const test = fileTests.find((name) => name === this.tokens[this.place]?.text);
    if (test === undefined) return undefined;
    this.place++;
    const path = this.word();
    if (test === '-r' && !this.root) return undefined;
    return path?.startsWith('/') ? { kind: 'file', test, path } : undefined;
  }

  private grep(): Condition | undefined {
    let quiet = false;
    let inverted = false;
    let whole = false;
    for (;;) {
      const option = this.tokens[this.place];
      if (option === undefined || option.operator || !/^-[qvw]+$/.test(option.text)) break;
      quiet ||= option.text.includes('q');
      inverted ||= option.text.includes('v');
      whole ||= option.text.includes('w');
      this.place++;
    }
    const text = this.word();
    const path = this.word();
    if (!quiet || text === undefined || path === undefined || !path.startsWith('/')) return undefined;
    // Letters, digits, dots and a few marks that mean themselves in a basic regular expression.
    if (!/^[A-Za-z0-9_.,:=@%/ ][A-Za-z0-9_.,:=@%/ -]*$/.test(text)) return undefined;
    // Where a word begins or ends with a mark, what counts as its edge is left to grep.
    if (whole && !/^\w(?:.*\w)?$/.test(text)) return undefined;
    return { kind: 'grep', text, path, inverted, word: whole };
  }
}

/**
 * The condition of a text, or `undefined` where only a shell can tell.
 *
 * @param uid of the process: what `-r` says is plain for root only
 */
export function parseCondition(text: string, uid: number): Condition | undefined {
  // A continued line joins what stands before and behind, even a word; single quotes keep it, and are left to sh.
  if (text.includes('\\\n') && text.includes("'")) return undefined;
  const trimmed = text.replaceAll('\\\n', '').trim();
  // `((` and `!(` mean other things to some shells.
  if (trimmed === '' || /\(\(|!\(/.test(trimmed)) return undefined;
  const tokens = tokensOf(trimmed);
  return tokens === undefined ? undefined : new Parser(tokens, uid === 0).whole();
}

/** Whether a condition holds; reads files only. */
export function evaluateCondition(condition: Condition, files: HostFiles): boolean {
  switch (condition.kind) {
    case 'constant':
      return condition.value;
    case 'not':
      return !evaluateCondition(condition.condition, files);
    case 'and':
      return evaluateCondition(condition.left, files) && evaluateCondition(condition.right, files);
    case 'or':
      return evaluateCondition(condition.left, files) || evaluateCondition(condition.right, files);
    case 'grep': {
      let text: string;
      try {
        text = files.readText(condition.path);
      } catch {
        // As grep: a file that cannot be read is a failure, also when inverted.
        return false;
      }
      const pattern = new RegExp(
        condition.word ? `(?<!\\w)(?:${condition.text})(?!\\w)` : condition.text,
        'su',
      );
      const lines = text.split('\n');
      if (lines.at(-1) === '') lines.pop();
      return lines.some((line) => pattern.test(line) !== condition.inverted);
    }
    case 'file': {
      const resolved = resolvePath(files, condition.path);
      const status = resolved === undefined ? undefined : files.status(resolved);
      if (status === undefined) return false;
      if (condition.path.endsWith('/') && status.kind !== 'directory') return false;
      if (condition.test === '-f') return status.kind === 'file';
      if (condition.test === '-d') return status.kind === 'directory';
      if (condition.test === '-s') return status.size > 0;
      return true;
    }
  }
}
