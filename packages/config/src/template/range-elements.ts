import type { Pipeline } from './ast.ts';
import { EvaluationError } from './evaluation-error.ts';
import { describe, isDict, isInteger, sortedKeys, type Value } from './value.ts';

/**
 * Keys and elements that `range` goes over: of a list in its order, of a map sorted by key, of an integer from 0.
 * @throws EvaluationError where it cannot go over the value
 */
export function* rangeElements(
  over: Value,
  { offset, variables }: Pick<Pipeline, 'offset' | 'variables'>,
): Generator<readonly [Value, Value]> {
  if (over === undefined || over === null) return;
  if (Array.isArray(over)) {
    // A snapshot of the length: the body cannot make the loop endless.
    const { length } = over;
    for (let index = 0; index < length; index++) yield [index, over[index]];
  } else if (isDict(over)) {
    for (const key of sortedKeys(over)) yield [key, over.get(key)];
  } else if (isInteger(over)) {
    if (variables.length > 1) {
      throw new EvaluationError('range over an integer has only one variable', offset);
    }
    for (let index = 0; index < over; index++) yield [undefined, index];
  } else {
    throw new EvaluationError(
      `range cannot go over ${describe(over)}`,
      offset,
      typeof over === 'string' ? 'splitList cuts a string into a list' : undefined,
    );
  }
}
