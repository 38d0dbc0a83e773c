import { afterEach, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseDocument } from '@kairos/config/document';
import { paths } from '@kairos/facts/paths';
import { directoryHost } from '@kairos/host/directory';
import { runStage } from '@kairos/stages/run-stage';
import { keepStageRecord, readStageRecords } from './record.ts';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});
function machine(options: { uid?: number; booted?: boolean } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'record-'));
  folders.push(folder);
  if (options.booted ?? true) mkdirSync(join(folder, paths.immucoreRun), { recursive: true });
  return { folder, host: directoryHost(folder, { uid: options.uid ?? 0 }) };
}
const text =
  'stages:\n  boot:\n  - files: [{ path: /a, content: x }]\n  - if: "false"\n  - files: [{ path: b }]\n';

test('the last run of a stage is kept, with places', async () => {
  const { host } = machine();
  const run = (document: string) =>
    runStage(host, 'boot', { directories: [], documents: [parseDocument(document, '/oem/a.yaml')] });
  keepStageRecord(host, await run(text));
  expect(readStageRecords(host.files)).toMatchObject([
    {
      stage: 'boot',
      steps: { done: 1, skipped: 1, failed: 1 },
      problems: [{ severity: 'error', position: '/oem/a.yaml:5:21', module: 'files' }],
    },
  ]);
  keepStageRecord(host, await run('stages:\n  boot:\n  - files: [{ path: /a, content: x }]\n'));
  expect(readStageRecords(host.files).flatMap(({ problems }) => problems)).toEqual([]);
});

test('a run of other directories has a record of its own', async () => {
  const { host } = machine();
  const documents = [parseDocument(text, '/oem/a.yaml')];
  keepStageRecord(host, await runStage(host, 'boot', { directories: [], documents }));
  keepStageRecord(host, await runStage(host, 'boot', { directories: [] }), ['/oem/95_userdata']);
  expect(readStageRecords(host.files).map(({ stage, steps }) => [stage, steps.failed])).toEqual([
    ['boot', 1],
    ['boot', 0],
  ]);
});

test.each([{ uid: 1000 }, { booted: false }])('nothing is kept with %p', async (options) => {
  const { host } = machine(options);
  keepStageRecord(host, await runStage(host, 'boot', { directories: [] }));
  expect(readStageRecords(host.files)).toEqual([]);
});

test('a record that is no record is left out', () => {
  const { folder, host } = machine();
  mkdirSync(join(folder, paths.stageRecords));
  writeFileSync(join(folder, paths.stageRecords, 'boot.json'), '{');
  writeFileSync(join(folder, paths.stageRecords, 'fs.json'), '[]');
  expect(readStageRecords(host.files)).toEqual([]);
});
