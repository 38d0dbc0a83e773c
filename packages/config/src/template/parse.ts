import type { Branch, Command, Node, Operand, ParsedTemplate, Pipeline, TemplateNode } from './ast.ts';
import { type Delimiters, defaultDelimiters, lex, type Token, type TokenKind } from './lex.ts';
import { characterValue, numberValue, unquote } from './literal.ts';
import { limits } from './run.ts';
import { TemplateSyntaxError } from './syntax-error.ts';

export interface ParseOptions {
  readonly delimiters?: Delimiters;
  /** Undefined for a function that there is; else what is wrong with the name. */
  readonly functionProblem: (name: string) => { message: string; hint?: string } | undefined;
}

/**
 * Parses a template of Go's text/template language.
 * @throws TemplateSyntaxError
 */
export function parse(text: string, options: ParseOptions): ParsedTemplate {
  return new Parser(lex(text, options.delimiters), options).run();
}

/** How a list of nodes ended. */
type Ending =
  | { readonly kind: 'end'; readonly offset: number }
  /** `{{else}}`, or `{{else if` of which the pipeline comes next. */
  | { readonly kind: 'else'; readonly offset: number; readonly keyword: 'if' | 'with' | undefined };

/** Tokens that can begin an operand. */
const operandKinds = new Set<TokenKind>([
  'identifier',
  'field',
  'variable',
  'dot',
  'boolean',
  'nil',
  'number',
  'character',
  'string',
  'rawString',
  'leftParen',
]);

const isBlank = (nodes: readonly Node[]): boolean =>
  nodes.every((node) => node.kind === 'text' && node.text.trim() === '');

class Parser {
  readonly #tokens: readonly Token[];
  readonly #functionProblem: ParseOptions['functionProblem'];
  readonly #open: string;
  readonly #close: string;
  readonly #definitions = new Map<string, readonly Node[]>();
  #at = 0;
  /** Names in scope, with their dollar. */
  #variables = ['$'];
  #ranges = 0;
  #depth = 0;

  constructor(tokens: readonly Token[], options: ParseOptions) {
    this.#tokens = tokens;
    this.#functionProblem = options.functionProblem;
    [this.#open, this.#close] = options.delimiters ?? defaultDelimiters;
  }

  run(): ParsedTemplate {
    const root: Node[] = [];
    while (this.#peek().kind !== 'end of template') {
      if (this.#atDefinition()) {
        this.#definition();
        continue;
      }
      const node = this.#node();
      if ('keyword' in node || node.kind === 'end') {
        throw new TemplateSyntaxError(
          `${this.#action(node.kind)} without an if, range, with, define or block before it`,
          node.offset,
        );
      }
      root.push(node);
    }
    return { root, definitions: this.#definitions };
  }

  // Tokens

  #peek(): Token {
    // The last token is "end of template" and is never passed.
    return this.#tokens[this.#at] as Token;
  }

  #next(): Token {
    const token = this.#peek();
    if (token.kind !== 'end of template') this.#at++;
    return token;
  }

  #peekAfterSpace(): Token {
    this.#skipSpace();
    return this.#peek();
  }

  #skipSpace(): void {
    while (this.#peek().kind === 'space') this.#at++;
  }

  #expect(kind: TokenKind, context: string): Token {
    this.#skipSpace();
    const token = this.#next();
    if (token.kind !== kind) this.#unexpected(token, context);
    return token;
  }

  #unexpected(token: Token, context: string, hint?: string): never {
    const shown = token.kind === 'end of template' ? 'end of the template' : JSON.stringify(token.text);
    throw new TemplateSyntaxError(`unexpected ${shown} in ${context}`, token.offset, hint);
  }

  #action(keyword: string): string {
    return `${this.#open}${keyword}${this.#close}`;
  }

  #nested<T>(offset: number, parse: () => T): T {
    if (++this.#depth > limits.depth) {
      throw new TemplateSyntaxError(`the template is nested more than ${limits.depth} deep`, offset);
    }
    const result = parse();
    this.#depth--;
    return result;
  }

  // Nodes

  #node(): Node | Ending {
    const token = this.#next();
    if (token.kind === 'text') return { kind: 'text', text: token.text, offset: token.offset };
    if (token.kind !== 'open') this.#unexpected(token, 'the template');
    const first = this.#peekAfterSpace();
    if (first.kind !== 'keyword') {
      return { kind: 'action', pipeline: this.#pipeline('an action', 'close'), offset: first.offset };
    }
    this.#next();
    return this.#nested(first.offset, () => this.#control(first));
  }

  #control({ text: keyword, offset }: Token): Node | Ending {
    switch (keyword) {
      case 'if':
      case 'with':
        return { kind: keyword, ...this.#branches(keyword, offset), offset };
      case 'range':
        return this.#range(offset);
      case 'template':
        return this.#template(offset);
      case 'block':
        return this.#block(offset);
      case 'break':
      case 'continue':
        this.#expect('close', this.#action(keyword));
        if (this.#ranges === 0) {
          throw new TemplateSyntaxError(`${this.#action(keyword)} outside of a range`, offset);
        }
        return { kind: keyword, offset };
      case 'end':
        this.#expect('close', this.#action(keyword));
        return { kind: 'end', offset };
      case 'else': {
        const next = this.#peekAfterSpace();
        if (next.kind === 'keyword' && (next.text === 'if' || next.text === 'with')) {
          this.#next();
          return { kind: 'else', offset, keyword: next.text };
        }
        this.#expect('close', this.#action(keyword));
        return { kind: 'else', offset, keyword: undefined };
      }
      default:
        throw new TemplateSyntaxError(
          `${this.#action(keyword)} inside another action's body`,
          offset,
          'Templates are defined at the top level',
        );
    }
  }

  /** Nodes up to `end` or `else`; what they declare goes out of scope with them. */
  #body(context: string, offset: number): { nodes: Node[]; ending: Ending } {
    const scope = this.#variables.length;
    const nodes: Node[] = [];
    for (;;) {
      if (this.#peek().kind === 'end of template') {
        throw new TemplateSyntaxError(`this ${context} has no ${this.#action('end')}`, offset);
      }
      const node = this.#node();
      if ('keyword' in node || node.kind === 'end') {
        this.#variables.length = scope;
        return { nodes, ending: node };
      }
      nodes.push(node);
    }
  }

  #lastBody(context: string, offset: number): Node[] {
    const { nodes, ending } = this.#body(context, offset);
    if (ending.kind === 'else') {
      throw new TemplateSyntaxError(`unexpected ${this.#action('else')} in this ${context}`, ending.offset);
    }
    return nodes;
  }

  #branches(keyword: 'if' | 'with', offset: number): { branches: Branch[]; otherwise: Node[] } {
    const scope = this.#variables.length;
    const branches: Branch[] = [];
    let otherwise: Node[] = [];
    for (;;) {
      // What a pipeline declares is also seen by the branches after it.
      const pipeline = this.#pipeline(keyword, 'close');
      const { nodes, ending } = this.#body(keyword, offset);
      branches.push({ pipeline, body: nodes });
      if (ending.kind === 'end') break;
      if (ending.keyword === keyword) continue;
      if (ending.keyword !== undefined) {
        throw new TemplateSyntaxError(
          `"else ${ending.keyword}" does not go with ${keyword}`,
          ending.offset,
          `Write ${this.#action('else')}${this.#open}${ending.keyword} …${this.#close}`,
        );
      }
      otherwise = this.#lastBody(keyword, offset);
      break;
    }
    this.#variables.length = scope;
    return { branches, otherwise };
  }

  #range(offset: number): Node {
    const scope = this.#variables.length;
    const pipeline = this.#pipeline('range', 'close');
    this.#ranges++;
    const { nodes, ending } = this.#body('range', offset);
    this.#ranges--;
    if (ending.kind === 'else' && ending.keyword !== undefined) {
      throw new TemplateSyntaxError(`"else ${ending.keyword}" does not go with range`, ending.offset);
    }
    const otherwise = ending.kind === 'else' ? this.#lastBody('range', offset) : [];
    this.#variables.length = scope;
    return { kind: 'range', pipeline, body: nodes, otherwise, offset };
  }

  // Templates

  #atDefinition(): boolean {
    if (this.#peek().kind !== 'open') return false;
    let index = this.#at + 1;
    while (this.#tokens[index]?.kind === 'space') index++;
    const token = this.#tokens[index];
    return token?.kind === 'keyword' && token.text === 'define';
  }

  #definition(): void {
    this.#next();
    const { offset } = this.#expect('keyword', 'define');
    const name = this.#templateName('define');
    this.#expect('close', 'define');
    this.#define(name, offset, 'define');
  }

  /** The body of a template: it sees no variables but `$`. */
  #define(name: string, offset: number, context: string): void {
    const variables = this.#variables;
    const ranges = this.#ranges;
    this.#variables = ['$'];
    this.#ranges = 0;
    const body = this.#lastBody(context, offset);
    this.#variables = variables;
    this.#ranges = ranges;
    const before = this.#definitions.get(name);
    if (before === undefined || isBlank(before)) {
      this.#definitions.set(name, body);
    } else if (!isBlank(body)) {
      throw new TemplateSyntaxError(`the template ${JSON.stringify(name)} is defined twice`, offset);
    }
  }

  #templateName(context: string): string {
    const token = this.#peekAfterSpace();
    if (token.kind !== 'string' && token.kind !== 'rawString') {
      this.#unexpected(token, context, 'The name of a template is a string in quotes');
    }
    this.#next();
    return this.#literal(token, () => unquote(token.text));
  }

  #template(offset: number): TemplateNode {
    const name = this.#templateName('template');
    if (this.#peekAfterSpace().kind === 'close') {
      this.#next();
      return { kind: 'template', name, pipeline: undefined, offset };
    }
    return { kind: 'template', name, pipeline: this.#pipeline('template', 'close'), offset };
  }

  #block(offset: number): TemplateNode {
    const name = this.#templateName('block');
    const pipeline = this.#pipeline('block', 'close');
    this.#define(name, offset, 'block');
    return { kind: 'template', name, pipeline, offset };
  }

  // Pipelines

  #pipeline(context: string, end: 'close' | 'rightParen'): Pipeline {
    const { offset } = this.#peekAfterSpace();
    const { variables, assigns } = this.#declarations(context);
    const commands: Command[] = [];
    for (;;) {
      const token = this.#peekAfterSpace();
      if (token.kind === end && commands.length > 0 && this.#previousKind() !== 'pipe') break;
      if (!operandKinds.has(token.kind)) {
        if (token.kind === end) {
          throw new TemplateSyntaxError(
            commands.length === 0 ? `${context} has no value` : 'nothing follows the "|"',
            token.offset,
          );
        }
        this.#unexpected(token, context);
      }
      commands.push(this.#command(commands.length > 0));
    }
    this.#next();
    // In scope only now: `$x := $x` means the outer one.
    if (!assigns) this.#variables.push(...variables);
    return { kind: 'pipeline', variables, assigns, commands, offset };
  }

  #previousKind(): TokenKind | undefined {
    let index = this.#at - 1;
    while (this.#tokens[index]?.kind === 'space') index--;
    return this.#tokens[index]?.kind;
  }

  /** `$x :=`, `$x =`, or for range `$i, $e :=`; puts nothing into scope. */
  #declarations(context: string): { variables: string[]; assigns: boolean } {
    const start = this.#at;
    const found: Token[] = [];
    while (this.#peekAfterSpace().kind === 'variable') {
      found.push(this.#next());
      const next = this.#peekAfterSpace();
      if (next.kind === 'comma' && context === 'range' && found.length === 1) {
        this.#next();
        continue;
      }
      if (next.kind === 'comma') {
        throw new TemplateSyntaxError(
          context === 'range' ? 'range declares at most two variables' : 'only range declares two variables',
          next.offset,
        );
      }
      if (next.kind === 'declare' || next.kind === 'assign') {
        this.#next();
        const assigns = next.kind === 'assign';
        if (assigns) for (const token of found) this.#checkVariable(token);
        return { variables: found.map((token) => token.text), assigns };
      }
      break;
    }
    if (found.length > 1 || this.#previousKind() === 'comma') {
      this.#unexpected(this.#peek(), context, 'It is written range $index, $element := pipeline');
    }
    this.#at = start;
    return { variables: [], assigns: false };
  }

  #checkVariable(token: Token): void {
    if (!this.#variables.includes(token.text)) {
      throw new TemplateSyntaxError(
        `the variable ${token.text} is not declared here`,
        token.offset,
        `Declare it with ${token.text} := value; it lives until the end of the if, with or range that it is in`,
      );
    }
  }

  #command(later: boolean): Command {
    const first = this.#operand();
    const { offset } = first;
    const executable = first.kind !== 'literal' && first.kind !== 'dot' && first.kind !== 'nil';
    if (first.kind === 'nil') throw new TemplateSyntaxError('nil is not a command', offset);
    if (later && !executable) {
      throw new TemplateSyntaxError('what follows "|" must be a function', offset);
    }
    const rest: Operand[] = [];
    for (;;) {
      const token = this.#next();
      if (token.kind === 'space') {
        if (!operandKinds.has(this.#peek().kind)) continue;
        const operand = this.#operand();
        if (!executable) {
          throw new TemplateSyntaxError(
            'a value takes no arguments: only a function does',
            operand.offset,
            'A function and its arguments look like: name argument argument',
          );
        }
        rest.push(operand);
      } else if (token.kind === 'pipe') {
        break;
      } else if (token.kind === 'close' || token.kind === 'rightParen') {
        this.#at--;
        break;
      } else {
        this.#unexpected(
          token,
          'a command',
          operandKinds.has(token.kind) ? 'Arguments are separated by spaces' : undefined,
        );
      }
    }
    return { first, rest, offset };
  }

  /** A term and the fields that follow it directly. */
  #operand(): Operand {
    const term = this.#term();
    const names: string[] = [];
    const { offset } = this.#peek();
    while (this.#peek().kind === 'field') names.push(this.#next().text.slice(1));
    if (names.length === 0) return term;
    switch (term.kind) {
      case 'field':
      case 'variable':
        return { ...term, names: [...term.names, ...names] };
      case 'function':
      case 'pipeline':
        return { kind: 'chain', operand: term, names, offset: term.offset };
      default:
        throw new TemplateSyntaxError(`unexpected ".${names[0]}" after a literal`, offset);
    }
  }

  #term(): Exclude<Operand, { kind: 'chain' }> {
    const token = this.#next();
    const { text, offset } = token;
    switch (token.kind) {
      case 'dot':
      case 'nil':
        return { kind: token.kind, offset };
      case 'field':
        return { kind: 'field', names: [text.slice(1)], offset };
      case 'variable':
        this.#checkVariable(token);
        return { kind: 'variable', name: text, names: [], offset };
      case 'identifier': {
        const problem = this.#functionProblem(text);
        if (problem !== undefined) throw new TemplateSyntaxError(problem.message, offset, problem.hint);
        return { kind: 'function', name: text, offset };
      }
      case 'boolean':
        return { kind: 'literal', value: text === 'true', offset };
      case 'number':
        return { kind: 'literal', value: this.#literal(token, () => numberValue(text)), offset };
      case 'character':
        return { kind: 'literal', value: this.#literal(token, () => characterValue(text)), offset };
      case 'string':
        return { kind: 'literal', value: this.#literal(token, () => unquote(text)), offset };
      case 'rawString':
        return { kind: 'literal', value: text.slice(1, -1).replaceAll('\r', ''), offset };
      case 'leftParen':
        return this.#nested(offset, () => this.#pipeline('parentheses', 'rightParen'));
      default:
        return this.#unexpected(token, 'a command');
    }
  }

  #literal<T>(token: Token, read: () => T): T {
    try {
      return read();
    } catch (error) {
      if (error instanceof RangeError) throw new TemplateSyntaxError(error.message, token.offset);
      throw error;
    }
  }
}
