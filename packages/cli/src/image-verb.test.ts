import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import type { BuildImageFlags } from './commands/build-image.ts';
import { buildImageVerb } from './image-verb.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'image-verb-'));
  mkdirSync(join(folder, 'root/etc'), { recursive: true });
  writeFileSync(join(folder, 'root/etc/os-release'), 'ID=debian\nVERSION_ID="13"\n');
  writeFileSync(join(folder, 'kairos'), '#!/bin/sh\n');
  mkdirSync(join(folder, 'definitions'));
  writeFileSync(join(folder, 'definitions/site.yaml'), 'base: dir:../root\n');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const fromHere = (name: string) => relative(process.cwd(), join(folder, name));

/** The first step of the plan, which gets the root. */
async function firstStep(base: string | undefined, flags: Partial<BuildImageFlags>): Promise<unknown> {
  const plan = await buildImageVerb(base, {
    ...{ refresh: false, dryRun: true, json: true, quiet: true },
    ...{ output: join(folder, 'image'), executable: join(folder, 'kairos') },
    ...flags,
  });
  return JSON.parse(plan).steps[0];
}

test('a base on the command line is relative to where the user is, one of a definition to the definition', async () => {
  const definition = join(folder, 'definitions/site.yaml');
  const step = { kind: 'copy', directory: join(folder, 'root') };
  expect(await firstStep(`dir:${fromHere('root')}`, {})).toEqual(step);
  expect(await firstStep(`dir:${fromHere('root')}`, { definition })).toEqual(step);
  expect(await firstStep(undefined, { definition })).toEqual(step);
});

test('a mistake in a flag is one of usage, and has no position in a document', async () => {
  await expect(firstStep('debian:13', { init: 'sistemd' })).rejects.toMatchObject({
    code: 'DEFINITION_INVALID',
    exit: 'usage',
    position: undefined,
    message: 'init is "sistemd", did you mean "systemd"?',
  });
});
