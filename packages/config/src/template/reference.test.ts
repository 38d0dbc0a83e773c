import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { renderTemplate } from '../template.ts';
import { functionNames, functionProblem, refusedFunctions } from './functions.ts';
import { goldenNow } from './golden.ts';
import { aliases, exampleData, examples, functionReference } from './reference.ts';

function result(template: string): string {
  try {
    return renderTemplate(template, exampleData, { file: 'f', clock: () => goldenNow });
  } catch (error) {
    return `error: ${(error as Error).message.replace(/^f:\d+:\d+: /, '')}`;
  }
}

test.each(Object.entries(examples))('the example of %s', (_, [template, expected]) => {
  expect(result(template)).toBe(expected);
});

test('every function has an example or is an alias of one that has', () => {
  const known = [...aliases()].flatMap(([name, others]) => [name, ...others]).sort();
  expect(known).toEqual(functionNames());
  expect([...aliases().keys()].filter((name) => !Object.hasOwn(examples, name))).toEqual([]);
  expect(Object.keys(examples).filter((name) => !aliases().has(name))).toEqual([]);
});

test('an example uses its function', () => {
  for (const [name, [template]] of Object.entries(examples)) expect(template).toContain(name);
});

test('a function that is left out says why', () => {
  for (const [name, why] of refusedFunctions) {
    expect(functionProblem(name)).toEqual({
      message: `the function ${name} is not available here`,
      hint: why,
    });
  }
});

test('the manual is in step: run scripts/write-template-reference.ts', async () => {
  const manual = await Bun.file(join(import.meta.dir, '../../../../docs/templates.md')).text();
  const [, listed] = /<!-- functions -->\n\n(.*)\n\n<!-- end of functions -->/s.exec(manual) ?? [];
  expect(listed).toBe(functionReference());
});
