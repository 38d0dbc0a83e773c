/**
 * Runs every test: `npm test`. Lint, types and imports, unit tests, tests that need root and tools, and virtual machines, in
 * two lanes. `npm test -- unit|machine|vm [words]` runs a part: files whose name holds one of the words.
 * The last line is `N passed, N failed`.
 */
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { isSystemError } from '@kairos/facts/errors';

const root = join(import.meta.dir, '..');
const reports = join(root, '.work/reports');

interface Count {
  passed: number;
  failed: number;
  skipped: number;
}
const count: Count = { passed: 0, failed: 0, skipped: 0 };
const failures: string[] = [];
const started = performance.now();

function say(message: string): void {
  const seconds = ((performance.now() - started) / 1000).toFixed(0).padStart(5);
  console.log(`${seconds} s  ${message}`);
}

const children = new Set<Bun.Subprocess>();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    for (const { pid } of children) {
      try {
        // The whole group: machines and servers that a test has started would outlive it.
        process.kill(-pid, signal);
      } catch (error) {
        if (!isSystemError(error, 'ESRCH')) throw error;
      }
    }
    process.exit(130);
  });
}

async function run(command: readonly string[], env: Record<string, string> = {}) {
  const child = Bun.spawn([...command], {
    cwd: root,
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
    env: { ...process.env, ...env },
    // A group of its own.
    detached: true,
  });
  children.add(child);
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  children.delete(child);
  return { output: (stdout + stderr).trim(), code };
}

/** One thing that passes or fails as a whole. */
async function step(name: string, command: readonly string[]): Promise<void> {
  const { output, code } = await run(command);
  if (code === 0) count.passed++;
  else {
    count.failed++;
    failures.push(name);
    console.log(output.split('\n').slice(-60).join('\n'));
  }
  say(`${code === 0 ? 'ok  ' : 'FAIL'} ${name}`);
}

/** Runs test files and reads how many tests passed from the report that the runner writes. */
async function testFiles(
  name: string,
  files: readonly string[],
  extra: readonly string[] = [],
): Promise<void> {
  const report = join(reports, `${name.replaceAll(/[^\w]+/g, '-')}.xml`);
  rmSync(report, { force: true });
  const began = performance.now();
  const { output, code } = await run([
    process.execPath,
    'test',
    ...extra,
    '--reporter=junit',
    `--reporter-outfile=${report}`,
    ...files,
  ]);
  let tests = 0;
  let failed = 0;
  let skipped = 0;
  try {
    const head = /<testsuites[^>]*>/.exec(readFileSync(report, 'utf8'))?.[0] ?? '';
    const read = (attribute: string) => Number(new RegExp(`\\s${attribute}="(\\d+)"`).exec(head)?.[1] ?? 0);
    tests = read('tests');
    failed = read('failures');
    skipped = read('skipped');
  } catch {
    // No report: the runner itself failed, which its exit code says below.
  }
  if (code !== 0 && failed === 0) failed = 1;
  count.passed += Math.max(0, tests - failed - skipped);
  count.failed += failed;
  count.skipped += skipped;
  if (failed > 0) {
    failures.push(name);
    // What passed would push the reason of a failure out of what CI keeps.
    const rest = output.split('\n').filter((line) => !/^\((pass|skip)\)|^\s*$|^\S+\.test\.ts:$/.test(line));
    console.log(rest.slice(-150).join('\n'));
  }
  // How much was tried, where a test says so.
  const told = output.split('\n').filter((line) => /^(crash matrix|fault points): /.test(line));
  for (const line of told) console.log(`           ${line}`);
  const seconds = ((performance.now() - began) / 1000).toFixed(0);
  say(
    `${failed === 0 ? 'ok  ' : 'FAIL'} ${name}: ${tests - failed - skipped} passed, ${failed} failed, ${seconds} s`,
  );
}

function filesIn(folder: string, words: readonly string[]): string[] {
  return [...new Bun.Glob('*.test.ts').scanSync(join(root, folder))]
    .filter((file) => words.length === 0 || words.some((word) => file.includes(word)))
    .sort()
    .map((file) => join(folder, file));
}

/** Virtual machine tests by how long they take, longest first: begun last, one of them would be waited for alone. */
const longest = [
  'reset',
  'crash',
  'fallback',
  'debian13-bios',
  'debian13-uefi',
  'upgrade',
  'debian13-sysvinit',
];
function byLength(files: readonly string[]): string[] {
  const place = (file: string) => longest.findIndex((name) => file.endsWith(`/${name}.test.ts`));
  const rank = (file: string) => (place(file) < 0 ? longest.length : place(file));
  return files.toSorted((a, b) => rank(a) - rank(b));
}

mkdirSync(reports, { recursive: true });
const [part, ...words] = process.argv.slice(2);
const parts = ['unit', 'machine', 'vm'];
if (part !== undefined && !parts.includes(part)) {
  console.error(
    `npm test -- ${part}: there is no such part; it is one of ${parts.join(', ')}, or none for all`,
  );
  process.exit(2);
}
const wants = (name: string) => part === undefined || part === name;
const bin = (name: string) => join(root, 'node_modules/.bin', name);

// Two lanes, as much of all this is the work of one processor. One checks, then runs tests of the machine, which share
// the node's lock and so stay in one lane; meanwhile the other builds the images. Virtual machines follow in both.
const machineFiles = wants('machine') ? filesIn('tests/machine', words) : [];
const virtual = wants('vm') ? byLength(filesIn('tests/vm', words)) : [];

if (words.length > 0 && machineFiles.length + virtual.length === 0) {
  console.error(`npm test -- ${part}: no test file's name holds ${words.join(' or ')}`);
  process.exit(2);
}

async function checks(): Promise<void> {
  if (!wants('unit')) return;
  await Promise.all([
    step('lint', [bin('biome'), 'check', '--error-on-warnings', '.']),
    step('types', [bin('tsc'), '-p', root]),
    step('imports', [process.execPath, join(root, 'scripts/check-imports.ts')]),
  ]);
  await testFiles('unit tests', ['packages', 'tests/src'], ['--timeout=60000']);
}
async function buildExecutables(): Promise<void> {
  if (machineFiles.length + virtual.length === 0) return;
  await step('executables', [process.execPath, join(root, 'scripts/build.ts')]);
}
async function buildImages(): Promise<void> {
  await executables;
  if (virtual.length === 0) return;
  await step('images for the virtual machines', [process.execPath, join(root, 'tests/src/images.ts')]);
}
async function machineTests(): Promise<void> {
  await executables;
  for (const file of machineFiles) await testFiles(file, [`./${file}`], ['--timeout=600000']);
}
async function virtualMachines(): Promise<void> {
  await images;
  for (let file = virtual.shift(); file !== undefined; file = virtual.shift()) {
    await testFiles(file, [`./${file}`], ['--timeout=1200000']);
  }
}
const executables = buildExecutables();
const images = buildImages();
await Promise.all([checks().then(machineTests).then(virtualMachines), virtualMachines()]);
if (failures.length > 0) console.log(`failed: ${failures.join(', ')}`);
say('done');
console.log(
  `${count.passed} passed, ${count.failed} failed${count.skipped > 0 ? `, ${count.skipped} skipped` : ''}`,
);
process.exit(count.failed === 0 && count.passed > 0 ? 0 : 1);
