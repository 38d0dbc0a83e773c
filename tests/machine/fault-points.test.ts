import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { existsSync, mkdtempSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bootableSlots } from '@kairos/agent/boot-choice';
import { installWith } from '@kairos/agent/commands/install';
import { openImageSource } from '@kairos/agent/image-source';
import { readSlot } from '@kairos/agent/slot-view';
import { MiB } from '@kairos/facts/size';
import { directoryHost } from '@kairos/host/directory';
import { buildExecutable, hostTarget } from '../../scripts/build.ts';
import { runOnNode } from '../src/crash/node-namespace.ts';
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

/** Versions of the slots of which every byte is right. */
async function wholeSlots(disk: LoopDisk): Promise<Record<string, string>> {
  const root = mkdtempSync(join(tmpdir(), 'look-'));
  Bun.spawnSync(['mount', '-o', 'ro', disk.partition(5), root]);
  try {
    const { files } = directoryHost(root);
    const found = await bootableSlots(files, '');
    return Object.fromEntries(
      found.map((slot) => [slot, readSlot(files, `/cOS/${slot}`)?.manifest.version ?? '']),
    );
  } finally {
    Bun.spawnSync(['umount', root]);
    rmdirSync(root);
  }
}

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

test('an upgrade and a rollback that are killed at each of their steps are finished by the next run', async () => {
  const [first, second] = [await image('v1'), await image('v2')];
  const { installed, upgraded } = await templates(first, second);
  let kills = 0;
  for (const { name, command, template, rootHash, before, after, atLeast } of [
    {
      ...{
        name: 'upgrade',
        command: ['upgrade', '--source', second.source],
        template: installed,
        atLeast: 40,
      },
      ...{ rootHash: first.rootHash, before: 'v1', after: 'v2' },
    },
    {
      ...{ name: 'rollback', command: ['rollback'], template: upgraded, atLeast: 10 },
      ...{ rootHash: second.rootHash, before: 'v2', after: 'v1' },
    },
  ]) {
    let points: string[] = [''];
    for (let index = 0; index < points.length; index++) {
      const point = points[index] as string;
      const work = mkdtempSync(join(folder, 'node-'));
      const fault = join(work, 'fault');
      using disk = new LoopDisk(work, 900 * MiB, template);
      const node = { device: disk.device, slot: 'active' as const, rootHash, work };
      const run = () => runOnNode(node, [faulty, 'agent', ...command], { KAIROS_FAULT_FILE: fault });
      if (point === '') {
        // The run that is not killed tells where the others are.
        const whole = await run();
        expect([whole.output, whole.code]).toEqual([whole.output, 0]);
        points = ['', ...new Set(readFileSync(`${fault}.passed`, 'utf8').trim().split('\n'))];
        expect(points.length).toBeGreaterThan(atLeast);
        continue;
      }
      writeFileSync(fault, `kill ${point}\n`);
      const cut = await run();
      expect([point, cut.output, cut.signal]).toEqual([point, cut.output, 'SIGKILL']);
      expect(existsSync(fault)).toBe(false);
      kills++;
      const between = await wholeSlots(disk);
      expect([point, Object.keys(between)]).toEqual([point, ['active', 'passive']]);
      // A rollback that has changed the slots is done; another one would go back again.
      if (name === 'upgrade' || between.active === before) {
        const again = await run();
        expect([point, again.output, again.code]).toEqual([point, again.output, 0]);
      }
      expect([point, await wholeSlots(disk)]).toEqual([point, { active: after, passive: before }]);
    }
  }
  console.log(`fault points: ${kills} kills, ${kills} survived`);
});
