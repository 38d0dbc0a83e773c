import { expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { builtinComponents } from './component.ts';
import { supportRows } from './support-matrix.ts';

const manual = (name: string) => readFileSync(join(import.meta.dir, '../../../docs', name), 'utf8');
const cells = (line: string) => line.split('|').map((cell) => cell.trim());

test('docs/support-matrix.md says what the flavors say', () => {
  const rows = manual('support-matrix.md')
    .split('\n')
    .filter((line) => /^\| +(?! )(?!distribution|-)/.test(line));
  expect(rows.map(cells)).toEqual(supportRows().map(cells));
});

test('docs/components.md lists every component', () => {
  const listed = [...manual('components.md').matchAll(/^\| `([a-z-]+)` +\| +(`[a-z]+`)?/gm)].map(
    ([, name, part]) => [name, part?.replaceAll('`', '')],
  );
  for (const { manifest } of builtinComponents().values()) {
    expect(listed).toContainEqual([manifest.name, manifest.provides]);
  }
});
