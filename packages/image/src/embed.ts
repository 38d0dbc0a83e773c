import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * The files below a directory of the repository by relative path. Called as a macro: it runs when the program is
 * bundled (or loaded from source), and the executable carries its result.
 */
export function embedTexts(directory: string, suffixes: readonly string[] = []): Record<string, string> {
  const root = join(import.meta.dir, '../../..', directory);
  const result: Record<string, string> = {};
  const walk = (relative: string) => {
    for (const entry of readdirSync(join(root, relative), { withFileTypes: true })) {
      const path = relative === '' ? entry.name : `${relative}/${entry.name}`;
      if (entry.isDirectory()) walk(path);
      else if (suffixes.length === 0 || suffixes.some((suffix) => path.endsWith(suffix))) {
        result[path] = readFileSync(join(root, path), 'utf8');
      }
    }
  };
  walk('');
  return Object.fromEntries(Object.entries(result).sort(([a], [b]) => (a < b ? -1 : 1)));
}
