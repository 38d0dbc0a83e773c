import { afterEach, beforeEach, expect, test } from 'bun:test';
import { rmSync } from 'node:fs';
import { directoryHost } from '@kairos/host/directory';
import { isAlive } from '@kairos/host/is-alive';
import { runProgram } from '@kairos/host/run';
import { keepingLinks } from '@kairos/stages/kept-links';
import { remoteReader } from '@kairos/stages/remote-reader';
import { collectConfig } from '../collect-config.ts';
import { health, renderHealth } from '../commands/health.ts';
import { keepExtensionRecord } from '../extensions/record.ts';
import { sceneFolder } from '../node-scene.ts';
import { readState } from '../state/state.ts';
import { checkHealth } from './checks.ts';

let folder: string;
beforeEach(() => {
  folder = sceneFolder();
  machine().files.write('/run/immucore/boot-report.json', '{"steps":[]}');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A machine on which programs really run. */
const machine = () =>
  directoryHost(folder, {
    run: async ([program = '', ...rest], options) => await runProgram([program, ...rest], options),
  });

function fakeClock() {
  let now = 0;
  const tick = (time: number) => {
    now += time;
  };
  return { now: () => now, sleep: async (time: number) => tick(time) };
}

const config = (text: string) => machine().files.write('/oem/90_health.yaml', `#cloud-config\n${text}`);

test('the verb runs every check once and tells all of them', async () => {
  config(`health:
  deadline: 10m
  checks:
    - { name: shell, command: 'test 1 = 1' }
    - { command: [/bin/sh, -c, 'echo gone >&2; exit 3'] }
    - { name: wish, command: 'false', required: false }
    - { name: slow, command: [sleep, '60'], timeout: 1 }
`);
  machine().files.write('/etc/kairos/health.d/10-own', '#!/bin/sh\nexit 0\n', { mode: 0o755 });
  const report = await health(machine(), { clock: fakeClock() });
  expect(report.checks.map(({ name, status, required }) => [name, status, required])).toEqual([
    ['boot report', 'ok', true],
    ['stages', 'ok', true],
    ['init', 'ok', true],
    ['/etc/kairos/health.d/10-own', 'ok', true],
    ['shell', 'ok', true],
    ['command (health.checks[1])', 'failed', true],
    ['slow', 'failed', true],
    ['wish', 'failed', false],
  ]);
  expect(report.healthy).toBe(false);
  expect(report.failures).toHaveLength(2);
  expect(report.failures[0]).toContain('gone');
  expect(report.warnings).toHaveLength(1);
  const text = renderHealth(report);
  expect(text).toContain('FAILED command (health.checks[1]): ');
  expect(text).toContain('warn   wish: ');
  expect(text).toEndWith('not healthy\n');
});

test('a boot with a failed step needs no waiting, and shows the rest where nobody waits', async () => {
  const report = {
    steps: [{ name: 'a', status: 'failed', criticality: 'must', error: { message: 'torn' } }],
  };
  machine().files.write('/run/immucore/boot-report.json', JSON.stringify(report));
  const waited = await checkHealth(machine(), { deadline: 60_000, clock: fakeClock() });
  expect([waited.failures, waited.checks.length]).toEqual([['boot step a failed: torn'], 2]);
  expect((await health(machine())).checks).toHaveLength(3);
});

test('required checks share the deadline', async () => {
  const clock = fakeClock();
  const failing = { command: 'exit 1' };
  const result = await checkHealth(machine(), { deadline: 21_000, clock, checks: [failing, failing] });
  expect(result.failures).toHaveLength(2);
  expect(clock.now()).toBeLessThanOrEqual(21_000 + 2 * 5000);
});

test('a check that exits with 0 is good, whatever it left running', async () => {
  const command = `sleep 20 & echo $! >${folder}/child; echo said; exit 0`;
  const started = performance.now();
  const result = await checkHealth(machine(), { deadline: 0, clock: fakeClock(), checks: [{ command }] });
  expect(result.failures).toEqual([]);
  expect(performance.now() - started).toBeLessThan(15_000);
  process.kill(Number(machine().files.readText('/child')));
});

test('a stop ends the programs of the checks, and what waits for its next turn', async () => {
  const waits = { command: `echo $$ >${folder}/child; exec sleep 60` };
  const stop = new AbortController();
  const clock = { now: () => 0, sleep: () => new Promise<void>(() => undefined) };
  const checks = [waits, { command: 'exit 1' }];
  const run = checkHealth(machine(), { deadline: 60_000, clock, checks, signal: stop.signal });
  const pid = async (): Promise<number> => {
    const text = machine().files.readTextIfAny('/child') ?? '';
    return text.endsWith('\n') ? Number(text) : Bun.sleep(5).then(pid);
  };
  const child = await pid();
  stop.abort();
  await expect(run).rejects.toMatchObject({ code: 'INTERRUPTED', exitCode: 130 });
  expect(isAlive(child)).toBe(false);
});

test('services that do not answer are a failure, and not waited for without an end', async () => {
  const { files } = machine();
  files.makeDirectory('/run/systemd/system');
  const timeouts: (number | undefined)[] = [];
  const host = directoryHost(folder, {
    run([, verb], { timeout }) {
      timeouts.push(timeout);
      if (verb === 'list-units') throw new Error('Connection timed out');
      return { stdout: 'Id=x.target\nActiveState=active\n' };
    },
  });
  const checks = [{ units: ['a', 'b'], timeout: '7s' }];
  const result = await checkHealth(host, { deadline: 0, clock: fakeClock(), checks });
  expect(result.failures).toEqual(['it cannot be told which services failed: Connection timed out']);
  expect(timeouts).toEqual([30_000, 30_000, 7000, 7000]);
});

test('checks that config_url names count as a stage of the boot fetched them, and are missed where none did', async () => {
  const server = Bun.serve({
    port: 0,
    fetch: () => new Response("#cloud-config\nhealth: { checks: [{ name: linked, command: 'true' }] }\n"),
  });
  try {
    config(`config_url: http://127.0.0.1:${server.port}/health\n`);
    const before = await health(machine(), { clock: fakeClock() });
    expect(before.warnings).toEqual([
      expect.stringMatching(
        /has not been read since the machine was started; checks that stand there do not count/,
      ),
    ]);
    const outside = keepingLinks(machine(), remoteReader(machine()));
    await collectConfig(machine(), { directories: ['/oem'], files: [], remote: outside });
  } finally {
    await server.stop(true);
  }
  const after = await health(machine(), { clock: fakeClock() });
  expect(after.checks.map(({ name }) => name)).toContain('linked');
  expect(after.warnings).toEqual([]);
});

test('an extension that is not in place is told, and does not send the node back', async () => {
  const { files } = machine();
  const extension = { kind: 'sysext', name: 'tools.raw' } as const;
  keepExtensionRecord(files, 'sysext', [
    { ...extension, name: 'good.raw', status: 'merged' },
    { ...extension, status: 'refused', reason: 'it was changed' },
  ]);
  files.write('/run/immucore/extensions/confext.json', 'torn');
  const result = await checkHealth(machine(), { deadline: 0, clock: fakeClock() });
  expect(result.failures).toEqual([]);
  expect(result.warnings).toEqual(['the sysext tools.raw was refused: it was changed']);
  const { boot_report: report } = await readState(machine());
  expect(report?.extensions).toEqual([
    { ...extension, name: 'good.raw', status: 'merged' },
    { ...extension, status: 'refused', reason: 'it was changed' },
  ]);
});
