import type { Branch, Node, ParsedTemplate, TemplateNode } from './ast.ts';
import { type Delimiters, defaultDelimiters, lex, type Token } from './lex.ts';
import { unquote } from './literal.ts';
import { literalOf, nested, PipelineParser, type Scope } from './parse-pipeline.ts';
import { TemplateSyntaxError } from './syntax-error.ts';
import { TokenReader } from './token-reader.ts';

export interface ParseOptions {
  readonly delimiters?: Delimiters;
  readonly functionProblem: Scope['functionProblem'];
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

const isBlank = (nodes: readonly Node[]): boolean =>
  nodes.every((node) => node.kind === 'text' && node.text.trim() === '');

class Parser {
  readonly #tokens: TokenReader;
  readonly #scope: Scope;
  readonly #pipelines: PipelineParser;
  readonly #open: string;
  readonly #close: string;
  readonly #definitions = new Map<string, readonly Node[]>();
  /** How many ranges are around. */
  #ranges = 0;

  constructor(tokens: readonly Token[], options: ParseOptions) {
    this.#tokens = new TokenReader(tokens);
    this.#scope = { variables: ['$'], depth: 0, functionProblem: options.functionProblem };
    this.#pipelines = new PipelineParser(this.#tokens, this.#scope);
    [this.#open, this.#close] = options.delimiters ?? defaultDelimiters;
  }

  run(): ParsedTemplate {
    const root: Node[] = [];
    while (this.#tokens.peek().kind !== 'end of template') {
      if (this.#tokens.atKeyword('define')) {
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

  #action(keyword: string): string {
    return `${this.#open}${keyword}${this.#close}`;
  }

  #node(): Node | Ending {
    const token = this.#tokens.next();
    if (token.kind === 'text') return { kind: 'text', text: token.text, offset: token.offset };
    if (token.kind !== 'open') this.#tokens.unexpected(token, 'the template');
    const first = this.#tokens.peekAfterSpace();
    if (first.kind !== 'keyword') {
      return { kind: 'action', pipeline: this.#pipelines.parse('an action', 'close'), offset: first.offset };
    }
    this.#tokens.next();
    return nested(this.#scope, first.offset, () => this.#control(first));
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
        this.#tokens.expect('close', this.#action(keyword));
        if (this.#ranges === 0) {
          throw new TemplateSyntaxError(`${this.#action(keyword)} outside of a range`, offset);
        }
        return { kind: keyword, offset };
      case 'end':
        this.#tokens.expect('close', this.#action(keyword));
        return { kind: 'end', offset };
      case 'else': {
        const next = this.#tokens.peekAfterSpace();
        if (next.kind === 'keyword' && (next.text === 'if' || next.text === 'with')) {
          this.#tokens.next();
          return { kind: 'else', offset, keyword: next.text };
        }
        this.#tokens.expect('close', this.#action(keyword));
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
    const scope = this.#scope.variables.length;
    const nodes: Node[] = [];
    for (;;) {
      if (this.#tokens.peek().kind === 'end of template') {
        throw new TemplateSyntaxError(`this ${context} has no ${this.#action('end')}`, offset);
      }
      const node = this.#node();
      if ('keyword' in node || node.kind === 'end') {
        this.#scope.variables.length = scope;
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
    const scope = this.#scope.variables.length;
    const branches: Branch[] = [];
    let otherwise: Node[] = [];
    for (;;) {
      // What a pipeline declares is also seen by the branches after it.
      const pipeline = this.#pipelines.parse(keyword, 'close');
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
    this.#scope.variables.length = scope;
    return { branches, otherwise };
  }

  #range(offset: number): Node {
    const scope = this.#scope.variables.length;
    const pipeline = this.#pipelines.parse('range', 'close');
    this.#ranges++;
    const { nodes, ending } = this.#body('range', offset);
    this.#ranges--;
    if (ending.kind === 'else' && ending.keyword !== undefined) {
      throw new TemplateSyntaxError(`"else ${ending.keyword}" does not go with range`, ending.offset);
    }
    const otherwise = ending.kind === 'else' ? this.#lastBody('range', offset) : [];
    this.#scope.variables.length = scope;
    return { kind: 'range', pipeline, body: nodes, otherwise, offset };
  }

  #definition(): void {
    this.#tokens.next();
    const { offset } = this.#tokens.expect('keyword', 'define');
    const name = this.#templateName('define');
    this.#tokens.expect('close', 'define');
    this.#define(name, offset, 'define');
  }

  /** The body of a template: it sees no variables but `$`. */
  #define(name: string, offset: number, context: string): void {
    const variables = this.#scope.variables;
    const ranges = this.#ranges;
    this.#scope.variables = ['$'];
    this.#ranges = 0;
    const body = this.#lastBody(context, offset);
    this.#scope.variables = variables;
    this.#ranges = ranges;
    const before = this.#definitions.get(name);
    if (before === undefined || isBlank(before)) {
      this.#definitions.set(name, body);
    } else if (!isBlank(body)) {
      throw new TemplateSyntaxError(`the template ${JSON.stringify(name)} is defined twice`, offset);
    }
  }

  #templateName(context: string): string {
    const token = this.#tokens.peekAfterSpace();
    if (token.kind !== 'string' && token.kind !== 'rawString') {
      this.#tokens.unexpected(token, context, 'The name of a template is a string in quotes');
    }
    this.#tokens.next();
    return literalOf(token, () => unquote(token.text));
  }

  #template(offset: number): TemplateNode {
    const name = this.#templateName('template');
    if (this.#tokens.peekAfterSpace().kind === 'close') {
      this.#tokens.next();
      return { kind: 'template', name, pipeline: undefined, offset };
    }
    return { kind: 'template', name, pipeline: this.#pipelines.parse('template', 'close'), offset };
  }

  #block(offset: number): TemplateNode {
    const name = this.#templateName('block');
    const pipeline = this.#pipelines.parse('block', 'close');
    this.#define(name, offset, 'block');
    return { kind: 'template', name, pipeline, offset };
  }
}
