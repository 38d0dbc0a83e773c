import type {
  Branch,
  Command,
  Node,
  Operand,
  ParsedTemplate,
  Pipeline,
  RangeNode,
  TemplateNode,
} from './ast.ts';
import { EvaluationError } from './evaluation-error.ts';
import { TemplateFailure } from './failure.ts';
import { type FieldAccess, fieldOf } from './field.ts';
import type { TemplateFunction } from './function.ts';
import { Output } from './output.ts';
import { printAction } from './print.ts';
import { rangeElements } from './range-elements.ts';
import { limits, type Run } from './run.ts';
import { nearest } from './suggestion.ts';
import { isTrue, type Value } from './value.ts';
import { Variables } from './variables.ts';

export interface EvaluateOptions {
  readonly template: ParsedTemplate;
  readonly data: Value;
  readonly run: Run;
  readonly functions: (name: string) => TemplateFunction | undefined;
  /** A missing key is an error, and not `<no value>`. */
  readonly missingKeyFails: boolean;
}

/**
 * Runs a parsed template.
 * @throws EvaluationError
 */
export function evaluate(options: EvaluateOptions): string {
  return new Evaluator(options).render();
}

/** How a body ended, where it did not simply reach its end. */
type Signal = 'break' | 'continue' | undefined;

/** A value that comes out of a pipeline: nil is nothing then, as in Go. */
const settled = (value: Value): Value => (value === null ? undefined : value);

class Evaluator {
  readonly #options: EvaluateOptions;
  readonly #run: Run;
  readonly #output = new Output();
  #variables: Variables;
  #depth = 0;
  /** The node at work, for errors that arise where no node is known. */
  #offset = 0;

  constructor(options: EvaluateOptions) {
    this.#options = options;
    this.#run = options.run;
    this.#variables = new Variables(options.data);
  }

  render(): string {
    try {
      this.#walk(this.#options.template.root, settled(this.#options.data));
    } catch (error) {
      if (error instanceof TemplateFailure)
        throw new EvaluationError(error.message, this.#offset, error.hint);
      throw error;
    }
    return this.#output.text;
  }

  // Nodes

  #walk(nodes: readonly Node[], dot: Value): Signal {
    for (const node of nodes) {
      this.#offset = node.offset;
      this.#run.spend(limits.nodeCost);
      const signal = this.#node(node, dot);
      if (signal !== undefined) return signal;
    }
    return undefined;
  }

  #node(node: Node, dot: Value): Signal {
    switch (node.kind) {
      case 'text':
        this.#output.write(node.text, node.offset);
        return undefined;
      case 'action': {
        const value = this.#pipeline(node.pipeline, dot);
        if (node.pipeline.variables.length === 0) {
          this.#offset = node.offset;
          this.#output.write(printAction(value, this.#run), node.offset);
        }
        return undefined;
      }
      case 'if':
      case 'with':
        return this.#deeper(node.offset, () => this.#branches(node, dot));
      case 'range':
        return this.#deeper(node.offset, () => this.#range(node, dot));
      case 'template':
        this.#deeper(node.offset, () => this.#template(node, dot));
        return undefined;
      case 'break':
      case 'continue':
        return node.kind;
    }
  }

  #deeper<T>(offset: number, work: () => T): T {
    if (++this.#depth > limits.depth) {
      throw new EvaluationError(
        `the template is nested more than ${limits.depth} deep`,
        offset,
        'Does a template include itself without an end?',
      );
    }
    const result = work();
    this.#depth--;
    return result;
  }

  #branches(
    node: { kind: 'if' | 'with'; branches: readonly Branch[]; otherwise: readonly Node[] },
    dot: Value,
  ): Signal {
    const scope = this.#variables.count;
    let signal: Signal;
    const taken = node.branches.find(({ pipeline, body }) => {
      const value = this.#pipeline(pipeline, dot);
      if (!isTrue(value)) return false;
      signal = this.#walk(body, node.kind === 'with' ? value : dot);
      return true;
    });
    if (taken === undefined) signal = this.#walk(node.otherwise, dot);
    this.#variables.leave(scope);
    return signal;
  }

  #range(node: RangeNode, dot: Value): Signal {
    const scope = this.#variables.count;
    const { variables, assigns } = node.pipeline;
    const over = this.#pipeline({ ...node.pipeline, variables: [] }, dot);
    const inner = this.#variables.count;
    let ran = false;
    let signal: Signal;
    for (const [index, element] of rangeElements(over, node.pipeline)) {
      ran = true;
      this.#run.spend(limits.nodeCost);
      const value = settled(element);
      const values = variables.length > 1 ? [index, value] : [value];
      variables.forEach((name, position) => {
        if (assigns) this.#variables.assign(name, values[position]);
        else this.#variables.declare(name, values[position]);
      });
      signal = this.#walk(node.body, value);
      this.#variables.leave(inner);
      if (signal === 'break') break;
    }
    if (!ran) signal = this.#walk(node.otherwise, dot);
    this.#variables.leave(scope);
    // In the body they are for this range, in the else for the one around it.
    return ran ? undefined : signal;
  }

  #template(node: TemplateNode, dot: Value): void {
    const { definitions } = this.#options.template;
    const body = definitions.get(node.name);
    if (body === undefined) {
      const near = nearest(node.name, definitions.keys());
      throw new EvaluationError(
        `the template ${JSON.stringify(node.name)} is not defined`,
        node.offset,
        near === undefined ? undefined : `Did you mean ${JSON.stringify(near)}?`,
      );
    }
    const value = node.pipeline === undefined ? undefined : this.#pipeline(node.pipeline, dot);
    // A template sees none of its caller's variables.
    const variables = this.#variables;
    this.#variables = new Variables(value);
    this.#walk(body, value);
    this.#variables = variables;
  }

  // Values

  #pipeline(pipeline: Pipeline, dot: Value): Value {
    this.#offset = pipeline.offset;
    let value: Value;
    pipeline.commands.forEach((command, index) => {
      const piped = index === 0 ? [] : [value];
      value = settled(this.#command(command, dot, piped));
    });
    for (const name of pipeline.variables) {
      if (pipeline.assigns) this.#variables.assign(name, value);
      else this.#variables.declare(name, value);
    }
    return value;
  }

  /** @param piped the value of the command before, if there is one */
  #command(command: Command, dot: Value, piped: readonly Value[]): Value {
    const { first, rest } = command;
    this.#run.spend(limits.nodeCost);
    switch (first.kind) {
      case 'function':
        return this.#call(first.name, first.offset, rest, dot, piped);
      case 'field':
        return this.#fields(dot, first.names, first.offset, this.#arguments(rest, dot, piped));
      case 'variable': {
        const args = this.#arguments(rest, dot, piped);
        return this.#fields(this.#variables.lookUp(first.name), first.names, first.offset, args);
      }
      case 'chain': {
        const args = this.#arguments(rest, dot, piped);
        return this.#fields(this.#operand(first.operand, dot), first.names, first.offset, args);
      }
      default:
        if (rest.length > 0 || piped.length > 0) this.#refuseArguments(first.offset);
        return this.#operand(first, dot);
    }
  }

  #refuseArguments(offset: number): never {
    throw new EvaluationError('a value takes no arguments: only a function does', offset);
  }

  #arguments(operands: readonly Operand[], dot: Value, piped: readonly Value[]): Value[] {
    return [...operands.map((operand) => this.#operand(operand, dot)), ...piped];
  }

  #operand(operand: Operand, dot: Value): Value {
    this.#run.spend(limits.nodeCost);
    switch (operand.kind) {
      case 'literal':
        return operand.value;
      case 'nil':
        return null;
      case 'dot':
        return dot;
      case 'field':
        return this.#fields(dot, operand.names, operand.offset, []);
      case 'variable':
        return this.#fields(this.#variables.lookUp(operand.name), operand.names, operand.offset, []);
      case 'function':
        return this.#call(operand.name, operand.offset, [], dot, []);
      case 'chain':
        return this.#fields(this.#operand(operand.operand, dot), operand.names, operand.offset, []);
      case 'pipeline':
        return this.#deeper(operand.offset, () => this.#pipeline(operand, dot));
    }
  }

  #call(
    name: string,
    offset: number,
    operands: readonly Operand[],
    dot: Value,
    piped: readonly Value[],
  ): Value {
    if (name === 'and' || name === 'or') return this.#shortCircuit(name, offset, operands, dot, piped);
    const definition = this.#options.functions(name);
    // The parser has looked it up already.
    if (definition === undefined) throw new EvaluationError(`there is no function ${name}`, offset);
    const args = this.#arguments(operands, dot, piped);
    return this.#guarded(name, offset, () => definition.call(this.#run, args));
  }

  /** `and` and `or` evaluate no more arguments than decide them. */
  #shortCircuit(
    name: 'and' | 'or',
    offset: number,
    operands: readonly Operand[],
    dot: Value,
    piped: readonly Value[],
  ): Value {
    if (operands.length + piped.length === 0) {
      throw new EvaluationError(`${name}: wrong number of arguments: needs at least 1, got 0`, offset);
    }
    let value: Value;
    for (const operand of operands) {
      value = this.#operand(operand, dot);
      if (isTrue(value) === (name === 'or')) return value;
    }
    return piped.length > 0 ? piped[0] : value;
  }

  #guarded(name: string, offset: number, call: () => Value): Value {
    this.#offset = offset;
    try {
      const result = call();
      if (typeof result === 'string') this.#run.spendText(result.length);
      return result;
    } catch (error) {
      if (error instanceof EvaluationError) throw error;
      if (error instanceof TemplateFailure) {
        const message = error.limit ? error.message : `${name}: ${error.message}`;
        throw new EvaluationError(message, offset, error.hint);
      }
      throw new EvaluationError(
        `${name}: ${error instanceof Error ? error.message : String(error)}`,
        offset,
        undefined,
        error,
      );
    }
  }

  /** Walks `.a.b.c`. Arguments go to the last one, which must be a method then. */
  #fields(receiver: Value, names: readonly string[], offset: number, args: readonly Value[]): Value {
    if (names.length === 0) {
      if (args.length > 0) this.#refuseArguments(offset);
      return receiver;
    }
    let value = receiver;
    const access: FieldAccess = {
      ...{ offset, missingKeyFails: this.#options.missingKeyFails },
      call: (path, method) => this.#guarded(path, offset, method),
    };
    names.forEach((_, index) => {
      this.#run.spend(limits.nodeCost);
      value = fieldOf(value, names, index, index === names.length - 1 ? args : [], access);
    });
    return value;
  }
}
