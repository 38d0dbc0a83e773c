import { TemplateFailure } from './failure.ts';
import type { Run } from './run.ts';
import { type Dict, describe, Float, isDict, isInteger, type Value } from './value.ts';

/** What a parameter accepts, and what the function gets for it. */
interface Kinds {
  any: Value;
  string: string;
  /** A whole number in the safe range. */
  int: number;
  /** Any number. */
  number: number;
  bool: boolean;
  list: Value[];
  dict: Dict;
}
export type Kind = keyof Kinds;

type Arguments<P extends readonly Kind[]> = { [I in keyof P]: Kinds[P[I]] };

/** A function of the template language. */
export interface TemplateFunction {
  readonly parameters: readonly Kind[];
  /** The kind of any further arguments. */
  readonly rest: Kind | undefined;
  /** Gets arguments of the right number and kinds. @throws TemplateFailure */
  readonly call: (run: Run, args: readonly Value[]) => Value;
}

/** A function with a fixed number of arguments. */
export function takes<const P extends readonly Kind[]>(
  parameters: P,
  body: (run: Run, ...args: Arguments<P>) => Value,
): TemplateFunction {
  return define(parameters, undefined, (run, args) => body(run, ...(args as unknown as Arguments<P>)));
}

/** A function with any number of further arguments. */
export function takesMany<const P extends readonly Kind[], const R extends Kind>(
  parameters: P,
  rest: R,
  body: (run: Run, ...args: [...Arguments<P>, ...Kinds[R][]]) => Value,
): TemplateFunction {
  return define(parameters, rest, (run, args) =>
    body(run, ...(args as unknown as [...Arguments<P>, ...Kinds[R][]])),
  );
}

/** The arguments that the body gets are of the kinds that the parameters name. */
function define(
  parameters: readonly Kind[],
  rest: Kind | undefined,
  body: (run: Run, args: unknown[]) => Value,
): TemplateFunction {
  return {
    parameters,
    rest,
    call(run, args) {
      checkCount(parameters.length, rest !== undefined, args.length);
      const converted = args.map((value, index) => convert(value, parameters[index] ?? rest ?? 'any', index));
      return body(run, converted);
    },
  };
}

function checkCount(wanted: number, more: boolean, got: number): void {
  if (more ? got >= wanted : got === wanted) return;
  throw new TemplateFailure(
    `wrong number of arguments: needs ${more ? 'at least ' : ''}${wanted}, got ${got}`,
    'A value piped in with "|" counts as the last argument',
  );
}

const wanted: Readonly<Record<Kind, string>> = {
  any: 'any value',
  string: 'a string',
  int: 'an integer',
  number: 'a number',
  bool: 'a boolean',
  list: 'a list',
  dict: 'a map',
};

function convert(value: Value, kind: Kind, index: number): Kinds[Kind] {
  switch (kind) {
    case 'any':
      return value === undefined ? null : value;
    case 'string':
      if (typeof value === 'string') return value;
      break;
    case 'bool':
      if (typeof value === 'boolean') return value;
      break;
    case 'int': {
      const number = value instanceof Float ? value.value : value;
      if (typeof number === 'number' && Number.isSafeInteger(number)) return number;
      break;
    }
    case 'number':
      if (value instanceof Float) return value.value;
      if (isInteger(value)) return Number(value);
      break;
    case 'list':
      if (Array.isArray(value)) return value;
      break;
    case 'dict':
      if (isDict(value)) return value;
      // As in Go, a map that is not there can be read: `hasKey .missing "a"` is false.
      if (value === undefined || value === null) return new Map();
  }
  const hint =
    value === undefined || value === null
      ? 'Is the name right? default gives a value that is missing another one: .name | default "value"'
      : kind === 'string'
        ? 'toString makes a string of any value'
        : undefined;
  throw new TemplateFailure(`argument ${index + 1} must be ${wanted[kind]}, got ${describe(value)}`, hint);
}
