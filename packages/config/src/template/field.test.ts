import { expect, test } from 'bun:test';
import { fieldOf } from './field.ts';
import { Callable, Struct, type Value } from './value.ts';

class Clock extends Struct {
  readonly typeName = 'Clock';
  toText() {
    return 'noon';
  }
  method(name: string) {
    return name === 'Add' ? (args: readonly Value[]) => ['called', ...args] : undefined;
  }
}

/** The last field of a path. */
const last = (receiver: Value, path: string, args: readonly Value[] = [], missingKeyFails = true) => {
  const names = path.split('.').slice(1);
  return fieldOf(receiver, names, names.length - 1, args, {
    ...{ offset: 7, missingKeyFails },
    call: (name, method) => [name, method()],
  });
};
const dict = new Map<string, Value>([
  ['hostname', 'node'],
  ['nothing', null],
  ['make', new Callable(() => 1)],
]);

test.each<[string, Value, string, Value[], Value]>([
  ['a key', dict, '.hostname', [], 'node'],
  ['a key whose value is nothing', dict, '.nothing', [], null],
  ['a method, told under its path', new Clock(), '.now.Add', [1, 2], ['.now.Add', ['called', 1, 2]]],
])('%s', (_, receiver, path, args, expected) => {
  expect(last(receiver, path, args)).toEqual(expected);
});

test('what is missing has no value where that is no error', () => {
  expect(last(dict, '.host', [], false)).toBeUndefined();
  expect(last(undefined, '.a.b', [], false)).toBeUndefined();
});

test.each<[string, Value, string, Value[], string, string | undefined]>([
  [
    'a typo',
    dict,
    '.hostnam',
    [],
    '.hostnam has no value: there is no key "hostnam"',
    'Did you mean hostname?',
  ],
  ['arguments of a value', dict, '.hostname', [1], '.hostname is no function but has arguments', undefined],
  [
    'arguments of a function in the data',
    dict,
    '.make',
    [1],
    '.make is no function but has arguments',
    'Write call .make argument',
  ],
  [
    'a field of a text',
    'node',
    '.a.b',
    [],
    '.a.b has no value: .a is a string and has no field "b"',
    undefined,
  ],
  [
    'no such method',
    new Clock(),
    '.Sub',
    [],
    '.Sub has no value: the value is a Clock and has no field "Sub"',
    undefined,
  ],
])('%s is refused', (_, receiver, path, args, message, hint) => {
  expect(() => last(receiver, path, args)).toThrow(expect.objectContaining({ message, hint, offset: 7 }));
});
