import type { Command, Operand, Pipeline } from './ast.ts';
import type { Token, TokenKind } from './lex.ts';
import { characterValue, numberValue, unquote } from './literal.ts';
import { limits } from './run.ts';
import { TemplateSyntaxError } from './syntax-error.ts';
import type { TokenReader } from './token-reader.ts';

/** What is known where the parser is. */
export interface Scope {
  /** Names with their dollar. */
  variables: string[];
  /** Of actions and parentheses. */
  depth: number;
  /** Undefined for a function that there is; else what is wrong with the name. */
  readonly functionProblem: (name: string) => { message: string; hint?: string } | undefined;
}

/** @throws TemplateSyntaxError where the nesting gets too deep */
export function nested<T>(scope: Scope, offset: number, parse: () => T): T {
  if (++scope.depth > limits.depth) {
    throw new TemplateSyntaxError(`the template is nested more than ${limits.depth} deep`, offset);
  }
  const result = parse();
  scope.depth--;
  return result;
}

/**
 * What a literal stands for.
 * @throws TemplateSyntaxError where it stands for nothing
 */
export function literalOf<T>(token: Token, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof RangeError) throw new TemplateSyntaxError(error.message, token.offset);
    throw error;
  }
}

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

/** Parses what stands inside of actions. */
export class PipelineParser {
  readonly #tokens: TokenReader;
  readonly #scope: Scope;

  constructor(tokens: TokenReader, scope: Scope) {
    this.#tokens = tokens;
    this.#scope = scope;
  }

  /** A pipeline and the token that ends it. What it declares is in scope from then on. */
  parse(context: string, end: 'close' | 'rightParen'): Pipeline {
    const { offset } = this.#tokens.peekAfterSpace();
    const { variables, assigns } = this.#tokens.attempt(() => this.#declarations(context)) ?? {
      variables: [],
      assigns: false,
    };
    const commands: Command[] = [];
    for (;;) {
      const token = this.#tokens.peekAfterSpace();
      if (token.kind === end && commands.length > 0 && this.#tokens.previousKind() !== 'pipe') break;
      if (!operandKinds.has(token.kind)) {
        if (token.kind === end) {
          throw new TemplateSyntaxError(
            commands.length === 0 ? `${context} has no value` : 'nothing follows the "|"',
            token.offset,
          );
        }
        this.#tokens.unexpected(token, context);
      }
      commands.push(this.#command(commands.length > 0));
    }
    this.#tokens.next();
    // In scope only now: `$x := $x` means the outer one.
    if (!assigns) for (const name of variables) this.#declare(name, offset);
    return { kind: 'pipeline', variables, assigns, commands, offset };
  }

  /** `$x :=`, `$x =`, or for range `$i, $e :=`; puts nothing into scope. */
  #declarations(context: string): { variables: string[]; assigns: boolean } | undefined {
    const found: Token[] = [];
    while (this.#tokens.peekAfterSpace().kind === 'variable') {
      found.push(this.#tokens.next());
      const next = this.#tokens.peekAfterSpace();
      if (next.kind === 'comma' && context === 'range' && found.length === 1) {
        this.#tokens.next();
        continue;
      }
      if (next.kind === 'comma') {
        throw new TemplateSyntaxError(
          context === 'range' ? 'range declares at most two variables' : 'only range declares two variables',
          next.offset,
        );
      }
      if (next.kind === 'declare' || next.kind === 'assign') {
        this.#tokens.next();
        const assigns = next.kind === 'assign';
        if (assigns) for (const token of found) this.#checkVariable(token);
        return { variables: found.map((token) => token.text), assigns };
      }
      break;
    }
    if (found.length > 1 || this.#tokens.previousKind() === 'comma') {
      this.#tokens.unexpected(
        this.#tokens.peek(),
        context,
        'It is written range $index, $element := pipeline',
      );
    }
    return undefined;
  }

  #declare(name: string, offset: number): void {
    if (this.#scope.variables.length >= limits.variables) {
      throw new TemplateSyntaxError(`more than ${limits.variables} variables are in scope`, offset);
    }
    this.#scope.variables.push(name);
  }

  #checkVariable(token: Token): void {
    if (!this.#scope.variables.includes(token.text)) {
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
      const token = this.#tokens.next();
      if (token.kind === 'space') {
        if (!operandKinds.has(this.#tokens.peek().kind)) continue;
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
        this.#tokens.back();
        break;
      } else {
        this.#tokens.unexpected(
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
    const { offset } = this.#tokens.peek();
    while (this.#tokens.peek().kind === 'field') names.push(this.#tokens.next().text.slice(1));
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
    const token = this.#tokens.next();
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
        const problem = this.#scope.functionProblem(text);
        if (problem !== undefined) throw new TemplateSyntaxError(problem.message, offset, problem.hint);
        return { kind: 'function', name: text, offset };
      }
      case 'boolean':
        return { kind: 'literal', value: text === 'true', offset };
      case 'number':
        return { kind: 'literal', value: literalOf(token, () => numberValue(text)), offset };
      case 'character':
        return { kind: 'literal', value: literalOf(token, () => characterValue(text)), offset };
      case 'string':
        return { kind: 'literal', value: literalOf(token, () => unquote(text)), offset };
      case 'rawString':
        return { kind: 'literal', value: text.slice(1, -1).replaceAll('\r', ''), offset };
      case 'leftParen':
        return nested(this.#scope, offset, () => this.parse('parentheses', 'rightParen'));
      default:
        return this.#tokens.unexpected(token, 'a command');
    }
  }
}
