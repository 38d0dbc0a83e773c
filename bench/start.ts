/**
 * How long the executable takes to start: `kairos --version`, beside `/bin/true` for the cost of a process, in one run.
 * `bun bench/start.ts` after `bun run build --host`.
 */
import { join } from 'node:path';

const runs = 60;
const executable = join(import.meta.dir, '../dist/kairos');

function once(command: string[]): number {
  const started = performance.now();
  const { exitCode } = Bun.spawnSync(command, { stdout: 'ignore', stderr: 'ignore' });
  const milliseconds = performance.now() - started;
  if (exitCode !== 0) throw new Error(`${command.join(' ')} exited with ${exitCode}`);
  return milliseconds;
}
const median = (values: number[]) =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

const rows: [string, string[]][] = [
  ['/bin/true', ['/bin/true']],
  ['kairos --version', [executable, '--version']],
  ['kairos --help', [executable, '--help']],
];
for (const [, command] of rows) once(command);
const times = rows.map(() => [] as number[]);
for (let run = 0; run < runs; run++) {
  rows.forEach(([, command], index) => {
    times[index]?.push(once(command));
  });
}
rows.forEach(([name], index) => {
  const values = times[index] ?? [];
  console.log(
    `${name.padEnd(20)} median ${median(values).toFixed(1)} ms, best ${Math.min(...values).toFixed(1)} ms`,
  );
});
const own = median(times[1] ?? []);
console.log(`kairos --version: ${own <= 15 ? 'within' : 'OVER'} 15 ms`);
process.exit(own <= 15 ? 0 : 1);
