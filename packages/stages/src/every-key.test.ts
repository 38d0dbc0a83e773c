import { expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseDocument } from '@kairos/config/document';
import { modules } from './modules/table.ts';
import { testMachines } from './test-machine.ts';

const testMachine = testMachines();

/** The file that the schema accepts; a key that one of both does not know would be accepted and have no effect. */
const everyKey = fileURLToPath(import.meta.resolve('@kairos/config/schema/root')).replace(
  /root\.ts$/,
  'every-key.yaml',
);

test('the modules know every key that the schema knows of their steps', async () => {
  const made = testMachine({ run: () => ({}) });
  const document = parseDocument(readFileSync(everyKey, 'utf8'), 'every-key.yaml');
  const { steps, problems } = await made.run('', {
    documents: [document],
    dryRun: true,
    services: { fetch: async () => new Response('', { status: 404 }), delay: async () => undefined },
  });
  expect(problems.filter(({ code }) => code === 'UNKNOWN_KEY' || code === 'KEY_MISSPELT')).toEqual([]);
  const [step] = (document.value as { stages: { boot: Record<string, unknown>[] } }).stages.boot;
  expect(Object.keys(modules).filter((name) => step?.[name] === undefined)).toEqual([]);
  expect(steps.find(({ name }) => name === 's')?.status).not.toBe('skipped');
});
