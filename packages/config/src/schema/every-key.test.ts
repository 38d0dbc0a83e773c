import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { mergeDocuments, readDocument } from '../collect.ts';
import { validate } from '../validate.ts';

test('every key of the field is known, strictly', async () => {
  const text = await Bun.file(join(import.meta.dir, 'every-key.yaml')).text();
  const { documents, problems } = readDocument(text, 'f');
  const { tree, problems: merging } = mergeDocuments(documents);
  expect([...problems, ...merging, ...validate(tree, { strict: true })]).toEqual([]);
});
