import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { installWith } from '@kairos/agent/commands/install';
import { openImageSource } from '@kairos/agent/sources/image-source';
import { MiB } from '@kairos/facts/size';
import { buildExecutable, hostTarget } from '../../scripts/build.ts';
import { runOnNode, type StartedNode } from '../src/crash/node-namespace.ts';
import { wholeSlots } from '../src/crash/run-again.ts';
import { executable } from '../src/images.ts';
import { LoopDisk, machineWithVfat } from '../src/loop-disk.ts';
import { writeSyntheticBootForm } from '../src/synthetic-boot-form.ts';

setDefaultTimeout(600_000);

let folder: string;
let faulty: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'faults-'));
  faulty = await buildExecutable(hostTarget(), { faultPoints: true });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('executables that are released have no fault points', async () => {
  const holds = async (path: string) =>
    Buffer.from(await Bun.file(path).arrayBuffer()).includes('KAIROS_FAULT_FILE');
  expect([await holds(faulty), await holds(executable)]).toEqual([true, false]);
});

async function image(version: string) {
  const files = await writeSyntheticBootForm(join(folder, version), {
    version,
    rootSize: MiB,
    grub: version,
  });
  const { verity } = JSON.parse(files.get('image.json')?.toString() ?? '');
  return { source: `dir:${folder}/${version}/slot`, rootHash: String(verity.rootHash) };
}

/** The node after an installation of v1, and after an upgrade of it to v2, as files. */
async function templates(first: { source: string; rootHash: string }, second: { source: string }) {
  const config = join(folder, 'config.yaml');
  writeFileSync(config, '#cloud-config\nusers: [{name: kairos, groups: [admin], passwd: kairos}]\n');
  const [installed, upgraded] = [join(folder, 'installed'), join(folder, 'upgraded')];
  using disk = new LoopDisk(folder, 900 * MiB);
  await installWith(
    machineWithVfat(),
    {
      source: first.source,
      device: disk.device,
      configFile: config,
      unattended: false,
      onProgress: () => undefined,
    },
    { openSource: openImageSource, runStage: async () => undefined },
  );
  const keep = (path: string) => Bun.spawnSync(['cp', '--sparse=always', disk.file, path]);
  keep(installed);
  const node = { device: disk.device, slot: 'active' as const, rootHash: first.rootHash, work: folder };
  const made = await runOnNode(node, [faulty, 'agent', 'upgrade', '--source', second.source]);
  expect([made.output, made.code]).toEqual([made.output, 0]);
  keep(upgraded);
  return { installed, upgraded };
}

/** The points that differ: between two steps one is enough. */
function differing(passed: string): string[] {
  const points = [...new Set(passed.trim().split('\n'))];
  return points.filter((point, index) => !point.endsWith('/after') || index === points.length - 1);
}

test('an upgrade, one of recovery, a rollback and a reset that are killed at each of their steps are finished by the next run', async () => {
  const [first, second] = [await image('v1'), await image('v2')];
  const { installed, upgraded } = await templates(first, second);
  const slots = (active: string, passive: string, recovery = 'v1') => ({ active, passive, recovery });
  let kills = 0;
  for (const { name, command, template, started, before, after, atLeast } of [
    {
      ...{
        name: 'upgrade',
        command: ['upgrade', '--source', second.source],
        template: installed,
        atLeast: 25,
      },
      ...{ started: first, before: slots('v1', 'v1'), after: slots('v2', 'v1') },
    },
    {
      ...{
        name: 'recovery upgrade',
        command: ['upgrade', '--recovery', '--source', second.source],
        template: installed,
        atLeast: 10,
      },
      ...{ started: first, before: slots('v1', 'v1'), after: slots('v1', 'v1', 'v2') },
    },
    {
      ...{ name: 'rollback', command: ['rollback'], template: upgraded, atLeast: 6 },
      ...{ started: second, before: slots('v2', 'v1'), after: slots('v1', 'v2') },
    },
    {
      ...{ name: 'reset', command: ['reset', '--unattended'], template: upgraded, atLeast: 20 },
      ...{ started: first, before: slots('v2', 'v1'), after: slots('v1', 'v1') },
    },
  ]) {
    const reset = name === 'reset';
    let points: string[] = [''];
    for (let index = 0; index < points.length; index++) {
      const point = points[index] as string;
      const work = mkdtempSync(join(folder, 'node-'));
      const fault = join(work, 'fault');
      using disk = new LoopDisk(work, 900 * MiB, template);
      const node: StartedNode = {
        ...{
          device: disk.device,
          slot: reset ? 'recovery' : 'active',
          reset,
          rootHash: started.rootHash,
          work,
        },
      };
      const run = () => runOnNode(node, [faulty, 'agent', ...command], { KAIROS_FAULT_FILE: fault });
      if (point === '') {
        // The run that is not killed tells where the others are.
        const whole = await run();
        expect([whole.output, whole.code]).toEqual([whole.output, 0]);
        points = ['', ...differing(readFileSync(`${fault}.passed`, 'utf8'))];
        expect(points.length).toBeGreaterThan(atLeast);
        expect(await wholeSlots(disk)).toEqual(after);
        continue;
      }
      writeFileSync(fault, `kill ${point}\n`);
      const cut = await run();
      expect([point, cut.output, cut.signal]).toEqual([point, cut.output, 'SIGKILL']);
      expect(existsSync(fault)).toBe(false);
      kills++;
      const between = await wholeSlots(disk);
      expect([point, Object.keys(between)]).toEqual([point, ['active', 'passive', 'recovery']]);
      // A rollback that has changed the slots is done; another one would go back again.
      if (name !== 'rollback' || between.active === before.active) {
        const again = await run();
        expect([point, again.output, again.code]).toEqual([point, again.output, 0]);
      }
      expect([point, await wholeSlots(disk)]).toEqual([point, after]);
    }
  }
  console.log(`fault points: ${kills} kills, ${kills} survived`);
});

/** Runs the installer as on a live medium: mounts and locks are its own, and go with it. */
async function runInstaller(work: string, arguments_: readonly string[], fault: string) {
  const cmdline = join(work, 'cmdline');
  writeFileSync(cmdline, 'root=live:CDLABEL=COS_LIVE\n');
  const script = `set -e
mount -t tmpfs tmpfs /run
mount --bind ${cmdline} /proc/cmdline
exec "$@"`;
  const worker = join(import.meta.dir, '../src/install-worker.ts');
  const child = Bun.spawn(
    [
      ...['unshare', '--mount', '--propagation', 'private', 'bash', '-c', script, 'live'],
      ...[process.execPath, '--define=KAIROS_FAULT_POINTS=true', worker, ...arguments_],
    ],
    {
      // What it has for the time of its run is left behind when it is killed, and goes with the test's folder.
      env: { ...process.env, KAIROS_FAULT_FILE: fault, TMPDIR: work },
      stdin: 'ignore',
      stdout: 'pipe',
      stderr: 'pipe',
    },
  );
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { code, signal: child.signalCode?.toString(), output: stdout + stderr };
}

test('an installation that is killed at each of its steps is done by the next run', async () => {
  const first = await image('v1');
  const config = join(folder, 'install.yaml');
  writeFileSync(config, '#cloud-config\nusers: [{name: kairos, groups: [admin], passwd: kairos}]\n');
  let points: string[] = [''];
  for (let index = 0; index < points.length; index++) {
    const point = points[index] as string;
    const work = mkdtempSync(join(folder, 'install-'));
    const fault = join(work, 'fault');
    using disk = new LoopDisk(work, 900 * MiB);
    const run = () => runInstaller(work, [disk.device, first.source, config], fault);
    if (point !== '') {
      writeFileSync(fault, `kill ${point}\n`);
      const cut = await run();
      expect([point, cut.output, cut.signal]).toEqual([point, cut.output, 'SIGKILL']);
      expect(existsSync(fault)).toBe(false);
    }
    const whole = await run();
    expect([point, whole.output, whole.code]).toEqual([point, whole.output, 0]);
    if (point === '') {
      points = ['', ...differing(readFileSync(`${fault}.passed`, 'utf8'))];
      expect(points.length).toBeGreaterThan(20);
    }
    expect([point, await wholeSlots(disk)]).toEqual([point, { active: 'v1', passive: 'v1', recovery: 'v1' }]);
  }
  console.log(`fault points: installation: ${points.length - 1} kills, ${points.length - 1} survived`);
});
