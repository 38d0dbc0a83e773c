/** Writes the tables of all keys into docs/cloud-config.md, from the schema. */
import { join } from 'node:path';
import { keyReference } from '../packages/config/src/key-reference.ts';

const path = join(import.meta.dir, '../docs/cloud-config.md');
const manual = await Bun.file(path).text();
const marked = /(<!-- keys -->\n\n).*(\n\n<!-- end of keys -->)/s;
if (!marked.test(manual)) throw new Error(`${path} has no place for the keys`);
await Bun.write(
  path,
  manual.replace(marked, (_, before: string, after: string) => before + keyReference() + after),
);
