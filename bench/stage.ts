/**
 * What `run-stage boot` on the shipped cloud-configs costs beyond the programs that it runs, measured in one run: the
 * verb, the same programs by themselves, and the start of the process. `bun bench/stage.ts` after `bun run build --host`.
 */
import { join } from 'node:path';
import { machineHost } from '../packages/host/src/machine.ts';
import { runStage } from '../packages/stages/src/run-stage.ts';

const runs = 31;
const wanted = 60;
const executable = join(import.meta.dir, '../dist/kairos');
const shipped = join(import.meta.dir, '../system/oem');

interface Measured {
  readonly wall: number;
  readonly cpu: number;
}
function once(command: readonly string[]): Measured {
  const started = performance.now();
  const { exitCode, stderr, resourceUsage } = Bun.spawnSync([...command], {
    stdout: 'ignore',
    stderr: 'pipe',
  });
  if (exitCode !== 0 && command[0] === executable) {
    throw new Error(`${command.join(' ')} exited with ${exitCode}: ${stderr}`);
  }
  return { wall: performance.now() - started, cpu: Number(resourceUsage?.cpuTime.total ?? 0) / 1000 };
}
const median = (values: number[]) =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

/** The programs that the stage runs on this machine, found by running it once beside a host that listens. */
async function programs(): Promise<string[][]> {
  const machine = machineHost();
  const commands: string[][] = [];
  await runStage(
    {
      ...machine,
      run(argv, options) {
        commands.push([...argv]);
        return machine.run(argv, options);
      },
    },
    'boot',
    { directories: [shipped], lenient: true },
  );
  return commands;
}

const commands = await programs();
const rows: readonly (readonly [string, readonly (readonly string[])[]])[] = [
  ['process start', [[executable, 'agent', '--version']]],
  ['its programs', commands],
  ['run-stage boot', [[executable, 'agent', 'run-stage', 'boot', '--override-cloud-init-paths', shipped]]],
];
const measured = rows.map(() => [] as Measured[]);
for (let run = -1; run < runs; run++) {
  rows.forEach(([, lines], index) => {
    const times = lines.map(once);
    const sum = (key: keyof Measured) => times.reduce((all, time) => all + time[key], 0);
    if (run >= 0) measured[index]?.push({ wall: sum('wall'), cpu: sum('cpu') });
  });
}
const [start = 0, own = 0, whole = 0] = rows.map(([name], index) => {
  const walls = (measured[index] ?? []).map(({ wall }) => wall);
  const cpus = (measured[index] ?? []).map(({ cpu }) => cpu);
  console.log(
    `${name.padEnd(15)} median ${median(walls).toFixed(1)} ms, best ${Math.min(...walls).toFixed(1)} ms, of processor time ${median(cpus).toFixed(1)} ms`,
  );
  return median(walls);
});
const added = whole - own;
console.log(
  `adds ${added.toFixed(1)} ms to ${commands.length} programs, ${start.toFixed(1)} ms of them the start: ${added <= wanted ? 'within' : 'OVER'} ${wanted} ms`,
);
process.exit(added <= wanted ? 0 : 1);
