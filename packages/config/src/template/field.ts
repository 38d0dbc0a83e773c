import { EvaluationError } from './evaluation-error.ts';
import { nearest } from './suggestion.ts';
import { Callable, describe, isDict, Struct, type Value } from './value.ts';

/** How a field is looked up. */
export interface FieldAccess {
  /** Of the node, for errors. */
  readonly offset: number;
  /** A missing key is an error, and not `<no value>`. */
  readonly missingKeyFails: boolean;
  /** Calls a method, and tells its failures under its path. */
  call(path: string, method: () => Value): Value;
}

/**
 * One field of `.a.b.c`: the value of a key, or what a method gives.
 * @param index which of the names; those before it have led to the receiver
 * @throws EvaluationError where there is none
 */
export function fieldOf(
  receiver: Value,
  names: readonly string[],
  index: number,
  args: readonly Value[],
  access: FieldAccess,
): Value {
  const { offset, missingKeyFails } = access;
  const name = names[index] ?? '';
  const path = `.${names.slice(0, index + 1).join('.')}`;
  if (receiver instanceof Struct) {
    const method = receiver.method(name);
    if (method !== undefined) return access.call(path, () => method(args));
  }
  if (isDict(receiver)) {
    if (args.length > 0) {
      const hint = receiver.get(name) instanceof Callable ? `Write call ${path} argument` : undefined;
      throw new EvaluationError(`${path} is no function but has arguments`, offset, hint);
    }
    if (receiver.has(name)) return receiver.get(name);
    if (!missingKeyFails) return undefined;
    const near = nearest(name, receiver.keys());
    throw new EvaluationError(
      `${path} has no value: there is no key ${JSON.stringify(name)}`,
      offset,
      near === undefined ? undefined : `Did you mean ${near}?`,
    );
  }
  // A field of a missing value is missing, too.
  if (receiver === undefined && !missingKeyFails) return undefined;
  const parent = index === 0 ? 'the value' : `.${names.slice(0, index).join('.')}`;
  throw new EvaluationError(
    `${path} has no value: ${parent} is ${describe(receiver)} and has no field ${JSON.stringify(name)}`,
    offset,
  );
}
