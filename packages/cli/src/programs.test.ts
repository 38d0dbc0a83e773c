import { expect, test } from 'bun:test';
import { programOf } from './programs.ts';

test.each([
  ['kairos', ['agent', 'state'], 'kairos-agent', ['state']],
  ['kairos', ['kairos-agent', 'state'], 'kairos-agent', ['state']],
  ['kairos-agent', ['state'], 'kairos-agent', ['state']],
  ['kairos-agent', ['immucore'], 'kairos-agent', ['immucore']],
  ['immucore', [], 'immucore', []],
  ['kairos', ['immucore', '--dry-run'], 'immucore', ['--dry-run']],
  ['kairos', ['build', 'image'], undefined, ['build', 'image']],
  ['kairos-linux-amd64-glibc', ['--version'], undefined, ['--version']],
] as const)('%s %j', (calledAs, args, program, rest) => {
  const call = programOf(calledAs, args);
  expect(call.program).toBe(program);
  expect(call.args).toEqual([...rest]);
});
