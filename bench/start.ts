/**
 * How long the executable takes to start: `kairos --version`, beside `/bin/true` for the cost of a process, in one run.
 * The processor time says how much of it is work and how much waiting for a busy machine.
 * `bun bench/start.ts` after `bun run build --host`.
 */
import { join } from 'node:path';

const runs = 60;
const executable = join(import.meta.dir, '../dist/kairos');

interface Start {
  readonly milliseconds: number;
  readonly processor: number;
}

function once(command: string[]): Start {
  const started = performance.now();
  const { exitCode, resourceUsage } = Bun.spawnSync(command, { stdout: 'ignore', stderr: 'ignore' });
  const milliseconds = performance.now() - started;
  if (exitCode !== 0) throw new Error(`${command.join(' ')} exited with ${exitCode}`);
  // Microseconds.
  return { milliseconds, processor: Number(resourceUsage.cpuTime.total) / 1000 };
}
const median = (values: number[]) =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

const rows: [string, string[]][] = [
  ['/bin/true', ['/bin/true']],
  ['kairos --version', [executable, '--version']],
  ['kairos agent --version', [executable, 'agent', '--version']],
  ['kairos immucore --version', [executable, 'immucore', '--version']],
  ['kairos --help', [executable, '--help']],
];
for (const [, command] of rows) once(command);
const starts = rows.map(() => [] as Start[]);
for (let run = 0; run < runs; run++) {
  rows.forEach(([, command], index) => {
    starts[index]?.push(once(command));
  });
}
rows.forEach(([name], index) => {
  const times = (starts[index] ?? []).map(({ milliseconds }) => milliseconds);
  const work = (starts[index] ?? []).map(({ processor }) => processor);
  console.log(
    `${name.padEnd(26)} median ${median(times).toFixed(1)} ms, best ${Math.min(...times).toFixed(1)} ms, processor ${median(work).toFixed(1)} ms`,
  );
});
const slowest = Math.max(
  ...[1, 2, 3].map((index) => median((starts[index] ?? []).map(({ milliseconds }) => milliseconds))),
);
console.log(`--version: ${slowest <= 15 ? 'within' : 'OVER'} 15 ms`);
process.exit(slowest <= 15 ? 0 : 1);
