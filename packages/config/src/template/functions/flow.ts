import { deepEqual } from '../equal.ts';
import { TemplateFailure } from '../failure.ts';
import { type TemplateFunction, takes, takesMany } from '../function.ts';
import { Callable, describe, isTrue, kindOf, Struct, typeOf, type Value } from '../value.ts';

/** Sprig's idea of empty: as `if`, but a time or a version never is. */
const isEmpty = (value: Value): boolean => !(value instanceof Struct) && !isTrue(value);

/** Defaults, choices, errors on purpose, and looks at types. */
export const flowFunctions: Readonly<Record<string, TemplateFunction>> = {
  all: takesMany([], 'any', (_, ...values) => values.every((value) => !isEmpty(value))),
  any: takesMany([], 'any', (_, ...values) => values.some((value) => !isEmpty(value))),
  call: takesMany(['any'], 'any', (_, callee, ...args) => {
    if (!(callee instanceof Callable)) throw new TemplateFailure(`${describe(callee)} cannot be called`);
    return callee.invoke(args);
  }),
  coalesce: takesMany([], 'any', (_, ...values) => values.find((value) => !isEmpty(value)) ?? null),
  deepEqual: takes(['any', 'any'], (run, a, b) => deepEqual(a, b, run)),
  default: takesMany(['any'], 'any', (_, otherwise, ...given) => (isEmpty(given[0]) ? otherwise : given[0])),
  empty: takes(['any'], (_, value) => isEmpty(value)),
  fail: takes(['string'], (_, message) => {
    throw new TemplateFailure(message);
  }),
  kindIs: takes(['string', 'any'], (_, kind, value) => kindOf(value) === kind),
  kindOf: takes(['any'], (_, value) => kindOf(value)),
  not: takes(['any'], (_, value) => !isTrue(value)),
  required: takes(['string', 'any'], (_, message, value) => {
    if (value === null || value === undefined || value === '') throw new TemplateFailure(message);
    return value;
  }),
  ternary: takes(['any', 'any', 'bool'], (_, yes, no, condition) => (condition ? yes : no)),
  typeIs: takes(['string', 'any'], (_, type, value) => typeOf(value) === type),
  typeIsLike: takes(['string', 'any'], (_, type, value) => [type, `*${type}`].includes(typeOf(value))),
  typeOf: takes(['any'], (_, value) => typeOf(value)),
};
