import { randomInt } from 'node:crypto';
import { add, type Decimal, decimalOf, divide, multiply, negate, numberOf } from '../decimal.ts';
import { TemplateFailure } from '../failure.ts';
import { type TemplateFunction, takes, takesMany } from '../function.ts';
import { parseFloatingPoint, parseInteger } from '../literal.ts';
import { print } from '../print.ts';
import type { Run } from '../run.ts';
import { Float, integer, isInteger, type Value } from '../value.ts';

/** Any value as an integer: text by Go's rules (`0x10`, `010`), a float without its fraction, all else 0. */
export function toInteger(value: Value): bigint {
  if (isInteger(value)) return BigInt(value);
  if (value instanceof Float) return Number.isFinite(value.value) ? BigInt(Math.trunc(value.value)) : 0n;
  if (typeof value === 'boolean') return value ? 1n : 0n;
  if (typeof value === 'string') return BigInt(parseInteger(value.replace(/\.0*$/, '')) ?? 0);
  return 0n;
}

/** Any value as a float; what is no number is 0. */
export function toFloat(value: Value): number {
  if (isInteger(value)) return Number(value);
  if (value instanceof Float) return value.value;
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (typeof value === 'string') return parseFloatingPoint(value) ?? 0;
  return 0;
}

/** For counts and indexes. */
export const toSmallInteger = (value: Value): number => Number(BigInt.asIntN(64, toInteger(value)));

const largest = 2n ** 63n - 1n;

/** What does not fit 64 bits is the nearest that does. */
const clamped = (value: bigint): number | bigint =>
  integer(value > largest ? largest : value < -largest - 1n ? -largest - 1n : value);

function nonZero(divisor: bigint): bigint {
  if (divisor === 0n) throw new TemplateFailure('division by zero');
  return divisor;
}

const decimal = (value: Value): Decimal => decimalOf(toFloat(value));

/** A function over floats that is computed in decimals from left to right. */
const fold = (step: (sum: Decimal, value: Decimal) => Decimal) => (first: Value, rest: readonly Value[]) =>
  new Float(numberOf(rest.map(decimal).reduce(step, decimal(first))));

const sum = fold(add);
const difference = fold((left, right) => add(left, negate(right)));
const product = fold(multiply);
const quotient = fold(divide);

const best = (values: readonly Value[], better: (a: bigint, b: bigint) => boolean): Value =>
  integer(values.map(toInteger).reduce((left, right) => (better(right, left) ? right : left)));

/** `stop` is not in it. */
function steps(run: Run, start: number, stop: number, step: number): number[] {
  const count = step === 0 ? 0 : Math.max(0, Math.ceil((stop - start) / step));
  run.spendList(count);
  return Array.from({ length: count }, (_, index) => start + index * step);
}

function sequence(run: Run, params: readonly number[]): string {
  const [a = 0, b = 0, c = 0] = params;
  if (params.length === 0 || params.length > 3) return '';
  const [start, end] = params.length === 1 ? [1, a] : params.length === 2 ? [a, b] : [a, c];
  const direction = end < start ? -1 : 1;
  const step = params.length === 3 ? b : direction;
  // A step of the wrong sign never arrives.
  return Math.sign(step) === direction ? steps(run, start, end + direction, step).join(' ') : '';
}

/** Rounds to `places` digits after the point; a rest of `from` or more goes up. */
function round(value: number, places: number, from = 0.5): number {
  const power = 10 ** places;
  const shifted = power * value;
  const rest = shifted - Math.trunc(shifted);
  return (rest >= from ? Math.ceil(shifted) : Math.floor(shifted)) / power;
}

const max = takesMany(['any'], 'any', (_, ...values) => best(values, (a, b) => a > b));

const int = takes(['any'], (_, value) => integer(toInteger(value)));

export const numberFunctions: Readonly<Record<string, TemplateFunction>> = {
  add: takesMany([], 'any', (_, ...values) =>
    integer(values.reduce<bigint>((total, value) => total + toInteger(value), 0n)),
  ),
  add1: takes(['any'], (_, value) => integer(toInteger(value) + 1n)),
  add1f: takes(['any'], (_, value) => sum(value, [1])),
  addf: takesMany([], 'any', (_, ...values) => sum(0, values)),
  atoi: takes(['string'], (_, text) =>
    /^[+-]?\d+$/.test(text) ? clamped(BigInt(text.replace('+', ''))) : 0,
  ),
  biggest: max,
  ceil: takes(['any'], (_, value) => new Float(Math.ceil(toFloat(value)))),
  div: takes(['any', 'any'], (_, a, b) => integer(toInteger(a) / nonZero(toInteger(b)))),
  divf: takesMany(['any'], 'any', (_, first, ...rest) => quotient(first, rest)),
  float64: takes(['any'], (_, value) => new Float(toFloat(value))),
  floor: takes(['any'], (_, value) => new Float(Math.floor(toFloat(value)))),
  int,
  int64: int,
  max,
  maxf: takesMany(['any'], 'any', (_, ...values) => new Float(Math.max(...values.map(toFloat)))),
  min: takesMany(['any'], 'any', (_, ...values) => best(values, (a, b) => a < b)),
  minf: takesMany(['any'], 'any', (_, ...values) => new Float(Math.min(...values.map(toFloat)))),
  mod: takes(['any', 'any'], (_, a, b) => integer(toInteger(a) % nonZero(toInteger(b)))),
  mul: takesMany(['any'], 'any', (_, ...values) =>
    integer(values.reduce<bigint>((result, value) => BigInt.asIntN(64, result * toInteger(value)), 1n)),
  ),
  mulf: takesMany(['any'], 'any', (_, first, ...rest) => product(first, rest)),
  randInt: takes(['int', 'int'], (_, from, to) => {
    if (to <= from || to - from >= 2 ** 48) {
      throw new TemplateFailure(
        `no random number from ${from} up to but without ${to}: the range is empty or too wide`,
      );
    }
    return randomInt(from, to);
  }),
  round: takesMany(
    ['any', 'int'],
    'number',
    (_, value, places, ...from) => new Float(round(toFloat(value), places, from[0])),
  ),
  seq: takesMany([], 'int', (run, ...params) => sequence(run, params)),
  sub: takes(['any', 'any'], (_, a, b) => integer(toInteger(a) - toInteger(b))),
  subf: takesMany(['any'], 'any', (_, first, ...rest) => difference(first, rest)),
  toDecimal: takes(['any'], (run, value) => {
    const text = print(value, run);
    return /^[+-]?[0-7]+$/.test(text) ? (parseInteger(text.replace(/^([+-]?)/, '$10o')) ?? 0) : 0;
  }),
  until: takes(['int'], (run, count) => steps(run, 0, count, count < 0 ? -1 : 1)),
  untilStep: takes(['int', 'int', 'int'], (run, start, stop, step) => steps(run, start, stop, step)),
};
