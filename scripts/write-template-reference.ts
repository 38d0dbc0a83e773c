/** Writes the list of template functions into docs/templates.md, from their examples. */
import { join } from 'node:path';
import { functionReference } from '../packages/config/src/template/reference.ts';

const path = join(import.meta.dir, '../docs/templates.md');
const manual = await Bun.file(path).text();
const marked = /(<!-- functions -->\n\n).*(\n\n<!-- end of functions -->)/s;
if (!marked.test(manual)) throw new Error(`${path} has no place for the functions`);
await Bun.write(
  path,
  manual.replace(marked, (_, before: string, after: string) => before + functionReference() + after),
);
