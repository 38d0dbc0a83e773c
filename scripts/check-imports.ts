/**
 * Refuses imports that go up or sideways between packages, imports of a package that package.json does not name,
 * and imports of another package's files by path. The floors are in docs/architecture.md.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const floors: Readonly<Record<string, number>> = {
  cli: 4,
  agent: 3,
  immucore: 3,
  challenger: 3,
  auroraboot: 3,
  operator: 3,
  provider: 3,
  mesh: 3,
  artifacts: 2,
  image: 2,
  kcrypt: 2,
  stages: 2,
  oci: 1,
  host: 1,
  config: 0,
  facts: 0,
  pages: 0,
};

/** Neighbours on one floor that may be used: a room that another is built on. */
const neighbours: Readonly<Record<string, readonly string[]>> = {
  config: ['facts'],
  oci: ['host'],
};

const problems: string[] = [];
const root = join(import.meta.dir, '..');
for await (const file of new Bun.Glob('packages/*/src/**/*.ts').scan(root)) {
  const room = file.split('/')[1] as string;
  const floor = floors[room];
  if (floor === undefined) {
    problems.push(`${file}: package ${room} has no floor in docs/architecture.md`);
    continue;
  }
  const manifest = JSON.parse(readFileSync(join(root, 'packages', room, 'package.json'), 'utf8'));
  const text = readFileSync(join(root, file), 'utf8');
  text.split('\n').forEach((line, index) => {
    const match =
      /(?:^|\s)(?:from|import)\s*\(?\s*['"]([^'"]+)['"]/.exec(line) ??
      /import\(\s*['"]([^'"]+)['"]/.exec(line);
    const target = match?.[1];
    if (target === undefined) return;
    const at = `${file}:${index + 1}`;
    if (target.startsWith('.')) {
      const path = join(file, '..', target);
      if (
        !path.startsWith(`packages/${room}/`) &&
        !path.startsWith('system/') &&
        !path.startsWith('flavors/')
      ) {
        problems.push(`${at}: imports ${target} by path out of its package`);
      } else if (!existsSync(join(root, path)) && !path.includes('/dist/')) {
        problems.push(`${at}: ${target} does not exist`);
      }
      return;
    }
    if (!target.startsWith('@kairos/')) return;
    const other = target.split('/')[1] as string;
    if (other === room) problems.push(`${at}: imports its own package by name`);
    const otherFloor = floors[other];
    if (otherFloor === undefined) problems.push(`${at}: unknown package ${other}`);
    else if (otherFloor > floor || (otherFloor === floor && !neighbours[room]?.includes(other))) {
      problems.push(`${at}: ${room} (floor ${floor}) may not import ${other} (floor ${otherFloor})`);
    }
    if (manifest.dependencies?.[`@kairos/${other}`] === undefined) {
      problems.push(`${at}: packages/${room}/package.json does not name @kairos/${other}`);
    }
  });
}
for (const problem of problems) console.error(problem);
console.log(problems.length === 0 ? 'imports: go down only' : `imports: ${problems.length} wrong`);
process.exit(problems.length === 0 ? 0 : 1);
