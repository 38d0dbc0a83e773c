import { expect, test } from 'bun:test';
import { KairosError } from '@kairos/facts/errors';
import type { Clock } from '@kairos/host/clock';
import fc from 'fast-check';
import type { BootStep, Criticality } from './boot-plan.ts';
import { executePlan, outcomeOf, type StepResult } from './execute-plan.ts';

const step = (name: string, criticality: Criticality = 'degrade', needs: string[] = []): BootStep => ({
  name,
  criticality,
  needs,
  action: { kind: 'share-root' },
});

function testClock(): Clock {
  let time = 0;
  return {
    now: () => time++,
    async sleep(milliseconds) {
      time += milliseconds;
    },
  };
}

/** Runs steps; those named fail. */
function run(steps: BootStep[], failing: readonly string[], earlier: readonly StepResult[] = []) {
  const performed: string[] = [];
  const results = executePlan(
    steps,
    ({ name }) => {
      performed.push(name);
      if (failing.includes(name)) throw new KairosError('BROKEN', `${name} broke`, { hint: 'Mend it' });
      return name === 'half' ? { problems: ['only half'] } : {};
    },
    { clock: testClock(), earlier },
  );
  return results.then((all) => ({ performed, results: all, states: all.map(({ status }) => status) }));
}

test('all in order', async () => {
  const { performed, states, results } = await run([step('a'), step('b', 'must', ['a'])], []);
  expect(performed).toEqual(['a', 'b']);
  expect(states).toEqual(['ok', 'ok']);
  expect(results.map(({ milliseconds }) => milliseconds)).toEqual([1, 1]);
  expect(outcomeOf(results)).toBe('ok');
});

test('a failure is recorded, and only what needs it is skipped', async () => {
  const steps = [step('a'), step('b', 'degrade', ['a']), step('c', 'degrade', ['b']), step('d')];
  const { performed, results, states } = await run(steps, ['a']);
  expect(performed).toEqual(['a', 'd']);
  expect(states).toEqual(['failed', 'skipped', 'skipped', 'ok']);
  expect(results.map(({ error }) => error)).toEqual([
    { message: 'a broke', code: 'BROKEN', hint: 'Mend it' },
    { message: 'needs "a", which failed' },
    { message: 'needs "b", which was skipped' },
    undefined,
  ]);
  expect(outcomeOf(results)).toBe('degraded');
});

test('after a must step failed nothing else is touched', async () => {
  const { performed, results, states } = await run([step('a', 'must'), step('b'), step('c', 'must')], ['a']);
  expect(performed).toEqual(['a']);
  expect(states).toEqual(['failed', 'skipped', 'skipped']);
  expect(results[1]?.error?.message).toBe('not tried after "a" failed');
  expect(outcomeOf(results)).toBe('failed');
});

test('a must step that cannot be tried is a failed boot too', async () => {
  const { results } = await run([step('a'), step('b', 'must', ['a'])], ['a']);
  expect(outcomeOf(results)).toBe('failed');
});

test('a step may do its work and still say that something is wrong', async () => {
  const { results, states } = await run([step('half', 'must'), step('b', 'degrade', ['half'])], []);
  expect(states).toEqual(['degraded', 'ok']);
  expect(results[0]?.problems).toEqual(['only half']);
  expect(outcomeOf(results)).toBe('degraded');
});

test('a failure that is to be ignored does not degrade the boot', async () => {
  const { results } = await run([step('a', 'ignore'), step('b')], ['a']);
  expect([results[0]?.status, outcomeOf(results)]).toEqual(['failed', 'ok']);
});

test('steps before count', async () => {
  const first = await run([step('a'), step('m', 'must')], ['a', 'm']);
  const second = await run([step('b', 'degrade', ['a']), step('c')], [], first.results);
  expect(second.performed).toEqual([]);
  const third = await run([step('b', 'degrade', ['a']), step('c')], [], first.results.slice(0, 1));
  expect(third.states).toEqual(['skipped', 'ok']);
});

test('whatever fails, no step runs whose needs did not succeed', async () => {
  const plan = fc
    .array(fc.record({ needs: fc.array(fc.nat(9)), bad: fc.boolean(), must: fc.boolean() }), {
      maxLength: 10,
    })
    .map((items) =>
      items.map(({ needs, bad, must }, index) => ({
        bad,
        step: step(
          String(index),
          must ? 'must' : 'degrade',
          needs.filter((need) => need < index).map(String),
        ),
      })),
    );
  await fc.assert(
    fc.asyncProperty(plan, async (items) => {
      const failing = items.filter(({ bad }) => bad).map(({ step: { name } }) => name);
      const { performed, results } = await run(
        items.map((item) => item.step),
        failing,
      );
      const good = new Set(results.filter(({ status }) => status === 'ok').map(({ step: { name } }) => name));
      for (const { step: one } of items) {
        if (performed.includes(one.name)) expect(one.needs.every((need) => good.has(need))).toBe(true);
      }
      expect(results).toHaveLength(items.length);
    }),
  );
});
