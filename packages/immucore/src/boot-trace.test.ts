import { afterEach, beforeEach, expect, test } from 'bun:test';
import { rmSync } from 'node:fs';
import { directoryHost } from '@kairos/host/directory';
import { bootFactsOf } from './boot-facts.ts';
import { keepTrace } from './boot-trace.ts';
import type { StepResult } from './execute-plan.ts';
import { testFolder } from './test-folder.ts';

let folder: string;
beforeEach(() => {
  folder = testFolder('trace');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const hash = 'a'.repeat(64);
const facts = (words: string) =>
  bootFactsOf(
    `root=LABEL=COS_ACTIVE kairos.slot=LABEL=COS_STATE:/cOS/active kairos.verity=${hash}:-:1:2 ${words}`,
    [],
  );
const machine = (oem = true) =>
  directoryHost(folder, {
    mounts: oem ? [{ source: '/dev/vda3', target: '/oem', type: 'ext4', options: ['rw'] }] : [],
  });
const result = (
  status: StepResult['status'],
  criticality: StepResult['step']['criticality'],
): StepResult => ({
  step: { name: 'overlay /etc', criticality, needs: [], action: { kind: 'share-root' } },
  ...{ status, milliseconds: 1, problems: [] },
  ...(status === 'ok' ? {} : { error: { message: 'no such device' } }),
});
const trace = () => {
  const text = machine().files.readTextIfAny('/oem/boot-failures/trial.json');
  return text === undefined ? undefined : JSON.parse(text);
};

test('a start on trial says how far it came', () => {
  keepTrace(machine(), facts('kairos.trial=1'), [result('ok', 'must')], false);
  expect(trace()).toEqual({
    ...{ schemaVersion: 1, slot: 'LABEL=COS_STATE:/cOS/active', image: hash, triesLeft: 1 },
    ...{ step: 'immucore', complaints: [] },
  });
  keepTrace(machine(), facts('kairos.trial=0'), [result('failed', 'degrade')], true);
  expect(trace()).toMatchObject({
    ...{ triesLeft: 0, step: 'init' },
    complaints: ['overlay /etc failed (degrade): no such device'],
  });
  keepTrace(machine(), facts('kairos.trial=0'), [result('failed', 'must')], true);
  expect(trace().step).toBe('immucore failed');
});

test.each([
  ['not on trial', '', true],
  ['without OEM', 'kairos.trial=1', false],
  ['with a word that is no number', 'kairos.trial=x', true],
])('a start %s writes nothing', (_, words, oem) => {
  expect(keepTrace(machine(oem), facts(words), [], true)).toBeUndefined();
  expect(trace()).toBeUndefined();
});

test('an OEM that cannot be written to is told', () => {
  machine().files.write('/oem/boot-failures', 'a file in the place of the directory');
  expect(keepTrace(machine(), facts('kairos.trial=1'), [], true)).toContain('EEXIST');
});
