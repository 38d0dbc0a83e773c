import { afterEach, beforeEach, expect, test } from 'bun:test';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

let folder: string;
let fault: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fault-'));
  fault = join(folder, 'fault');
  writeFileSync(
    join(folder, 'program.ts'),
    `import { stepFault } from ${JSON.stringify(join(import.meta.dir, 'fault-point.ts'))};
for (const [index, kind] of ['copy', 'exchange'].entries()) {
  stepFault('upgrade', index, kind, 'before');
  console.log(kind);
  stepFault('upgrade', index, kind, 'after');
}
`,
  );
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function run(built: boolean) {
  const { stdout, signalCode } = Bun.spawnSync(
    [process.execPath, `--define=KAIROS_FAULT_POINTS=${built}`, join(folder, 'program.ts')],
    { env: { ...process.env, KAIROS_FAULT_FILE: fault } },
  );
  return [stdout.toString().trim().split('\n'), signalCode ?? 'ended'];
}

test('a fault fires at its point, once', () => {
  writeFileSync(fault, 'kill upgrade/01-exchange/before\n');
  expect(run(true)).toEqual([['copy'], 'SIGKILL']);
  expect(existsSync(fault)).toBe(false);
  expect(run(true)).toEqual([['copy', 'exchange'], 'ended']);
  const points = ['upgrade/00-copy/before', 'upgrade/00-copy/after', 'upgrade/01-exchange/before'];
  expect(readFileSync(`${fault}.passed`, 'utf8').trim().split('\n')).toEqual([
    ...points,
    ...points,
    'upgrade/01-exchange/after',
  ]);
});

test('the number of a step may be left out', () => {
  writeFileSync(fault, 'kill upgrade/exchange/after\n');
  expect(run(true)).toEqual([['copy', 'exchange'], 'SIGKILL']);
});

test('what is not built for tests has no points', () => {
  writeFileSync(fault, 'kill upgrade/00-copy/before\n');
  expect(run(false)).toEqual([['copy', 'exchange'], 'ended']);
  expect([existsSync(fault), existsSync(`${fault}.passed`)]).toEqual([true, false]);
});
