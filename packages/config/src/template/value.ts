/**
 * What a template computes with. Go tells integers from floating-point numbers and prints them differently
 * (`1000000` against `1e+06`), so floats are wrapped; a bare number is always a whole number.
 */

/** A floating-point number, Go's `float64`. */
export class Float {
  constructor(readonly value: number) {}
}

/** A value with methods that a template can call as fields, such as a time or a version. */
export abstract class Struct {
  /** Go's name of the type, for `typeOf`. */
  abstract readonly typeName: string;
  /** How Go prints it. */
  abstract toText(): string;
  /** How Go writes it into JSON, where that is another text. */
  toJson?(): string;
  /** The method of that name, bound to this value. */
  abstract method(name: string): ((args: readonly Value[]) => Value) | undefined;
}

/** A function in the data, for `call`. */
export class Callable {
  constructor(readonly invoke: (args: readonly Value[]) => Value) {}
}

/** A map with string keys. A Map and not an object, so that no key can reach a prototype. */
export type Dict = Map<string, Value>;

/**
 * `number` and `bigint` are integers (`bigint` only outside the safe range). `undefined` is a value that is not
 * there (a missing key), `null` one that is there and is nothing.
 */
export type Value =
  | undefined
  | null
  | boolean
  | number
  | bigint
  | string
  | Float
  | Struct
  | Callable
  | Value[]
  | Dict;

export const isInteger = (value: Value): value is number | bigint =>
  typeof value === 'number' || typeof value === 'bigint';

const isDict = (value: Value): value is Dict => value instanceof Map;

export { isDict };

/** An integer as the smallest form that holds it exactly, wrapped to 64 bits as in Go. */
export function integer(value: bigint): number | bigint {
  const wrapped = BigInt.asIntN(64, value);
  const small = Number(wrapped);
  return Number.isSafeInteger(small) ? small : wrapped;
}

/** Go's name of the type, as `printf "%T"` and `typeOf` give it. */
export function typeOf(value: Value): string {
  if (value === undefined || value === null) return '<nil>';
  if (typeof value === 'string') return 'string';
  if (typeof value === 'boolean') return 'bool';
  if (isInteger(value)) return 'int';
  if (value instanceof Float) return 'float64';
  if (Array.isArray(value)) return '[]interface {}';
  if (isDict(value)) return 'map[string]interface {}';
  if (value instanceof Callable) return 'func';
  return value.typeName;
}

/** Go's kind of the value, as `kindOf` gives it. */
export function kindOf(value: Value): string {
  if (value === undefined || value === null) return 'invalid';
  if (Array.isArray(value)) return 'slice';
  if (isDict(value)) return 'map';
  if (value instanceof Struct) return value.typeName.startsWith('*') ? 'ptr' : 'struct';
  return typeOf(value);
}

/** The type in words for an error message; never the value, which may be a secret. */
export function describe(value: Value): string {
  if (value === undefined) return 'no value';
  if (value === null) return 'nil';
  if (typeof value === 'string') return 'a string';
  if (typeof value === 'boolean') return 'a boolean';
  if (isInteger(value)) return 'an integer';
  if (value instanceof Float) return 'a floating-point number';
  if (Array.isArray(value)) return 'a list';
  if (isDict(value)) return 'a map';
  if (value instanceof Callable) return 'a function';
  return `a ${value.typeName}`;
}

/** Whether `if` takes the value as true: not the zero of its type. */
export function isTrue(value: Value): boolean {
  if (value instanceof Float) return value.value !== 0;
  if (Array.isArray(value)) return value.length > 0;
  if (isDict(value)) return value.size > 0;
  return Boolean(value);
}

/** The order of Go's strings: by bytes of UTF-8, which is the order of code points. */
export function compareText(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index++) {
    const left = a.charCodeAt(index);
    const right = b.charCodeAt(index);
    if (left === right) continue;
    const leftSurrogate = left >= 0xd800 && left <= 0xdfff;
    const rightSurrogate = right >= 0xd800 && right <= 0xdfff;
    if (leftSurrogate !== rightSurrogate) return leftSurrogate ? 1 : -1;
    return left - right;
  }
  return a.length - b.length;
}

export const sortedKeys = (dict: Dict): string[] => [...dict.keys()].sort(compareText);
