import { expect, test } from 'bun:test';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { exitCodes } from './errors.ts';

const root = join(import.meta.dir, '../../..');
const pages = [
  'README.md',
  'CONTRIBUTING.md',
  ...new Bun.Glob('{docs,system,examples}/**/*.md').scanSync(root),
].sort();

/** The anchor that a heading gets where Markdown is shown. */
const anchorOf = (heading: string) =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replace(/\s/g, '-');

const anchorsOf = (text: string) =>
  [...text.matchAll(/^#+ (.+)$/gm)].map((match) => anchorOf(match[1] ?? ''));

test.each(pages)('the links of %s lead somewhere', (page) => {
  const text = readFileSync(join(root, page), 'utf8').replace(/```[\s\S]*?```/g, '');
  const dead = [...text.matchAll(/\]\(([^)\s]+)\)/g)]
    .map((match) => match[1] ?? '')
    .filter((link) => !/^[a-z]+:/.test(link))
    .filter((link) => {
      const [path = '', anchor] = link.split('#');
      const file = path === '' ? join(root, page) : join(root, dirname(page), path);
      if (!existsSync(file)) return true;
      return anchor !== undefined && !anchorsOf(readFileSync(file, 'utf8')).includes(anchor);
    });
  expect(dead).toEqual([]);
});

test('every exit code is in the manual, under its name', () => {
  const rows = readFileSync(join(root, 'docs/errors.md'), 'utf8').matchAll(/^\| (\d+) +\| `(\w+)`/gm);
  expect(Object.fromEntries([...rows].map(([, code, kind]) => [kind, Number(code)]))).toEqual(exitCodes);
});
