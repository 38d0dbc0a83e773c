import { expect, test } from 'bun:test';
import { Variables } from './variables.ts';

test('a name hides the same name around it until its scope is left', () => {
  const variables = new Variables('root');
  variables.declare('$x', 1);
  const scope = variables.count;
  variables.declare('$x', 2);
  variables.assign('$x', 3);
  expect(['$', '$x'].map((name) => variables.lookUp(name))).toEqual(['root', 3]);
  variables.leave(scope);
  expect(variables.lookUp('$x')).toBe(1);
});

test('what is assigned in a scope stays when it is left', () => {
  const variables = new Variables(undefined);
  variables.declare('$x', 1);
  const scope = variables.count;
  variables.declare('$y', 2);
  variables.assign('$x', 3);
  variables.leave(scope);
  expect(['$x', '$y'].map((name) => variables.lookUp(name))).toEqual([3, undefined]);
});

test('a name that was not declared has no value, and gets none', () => {
  const variables = new Variables('root');
  variables.assign('$x', 1);
  expect([variables.lookUp('$x'), variables.count]).toEqual([undefined, 1]);
});
