import { expect, test } from 'bun:test';
import { directoryHost } from '@kairos/host/directory';
import { environmentOf, withEnvironment } from './environment.ts';

test('environment is a list or a map', () => {
  expect(environmentOf({ env: ['A=1', 'B=x=y', null, 'odd'], install: { env: { A: 2 } } })).toEqual({
    A: '2',
    B: 'x=y',
  });
});

test('programs see it, under what is given for one of them', async () => {
  const seen: unknown[] = [];
  const machine = directoryHost('/', {
    run(_, { env }) {
      seen.push(env);
      return {};
    },
  });
  const host = withEnvironment(machine, { A: '1', B: '2' });
  await host.run(['true'], { env: { B: '3' } });
  expect(seen).toEqual([{ A: '1', B: '3' }]);
  expect(withEnvironment(machine, {})).toBe(machine);
});
