/** Lint, types, import directions and unit tests: `bun run check`. Runs what it can side by side. */
import { join } from 'node:path';

const root = join(import.meta.dir, '..');
const bin = (name: string) => join(root, 'node_modules/.bin', name);

const checks: readonly (readonly [string, readonly string[]])[] = [
  ['lint', [bin('biome'), 'check', '--error-on-warnings', '.']],
  ['types', [bin('tsc'), '-p', root]],
  ['imports', [process.execPath, join(root, 'scripts/check-imports.ts')]],
  ['unit tests', [process.execPath, 'test', '--parallel=2', '--timeout=60000', 'packages', 'tests/src']],
];

const started = performance.now();
const results = await Promise.all(
  checks.map(async ([name, command]) => {
    const child = Bun.spawn([...command], { cwd: root, stdout: 'pipe', stderr: 'pipe' });
    const [stdout, stderr, code] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    return { name, code, output: (stdout + stderr).trim() };
  }),
);
for (const { name, code, output } of results) {
  console.log(`${code === 0 ? 'ok  ' : 'FAIL'} ${name}`);
  if (code !== 0) console.log(output.split('\n').slice(-80).join('\n'));
}
console.log(`${((performance.now() - started) / 1000).toFixed(1)} s`);
process.exit(results.every(({ code }) => code === 0) ? 0 : 1);
