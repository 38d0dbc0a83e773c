import { afterEach, beforeEach, expect, test } from 'bun:test';
import { rmSync } from 'node:fs';
import type { CloudConfig } from '@kairos/config/schema/root';
import { Cleanup } from './cleanup.ts';
import { endOperation, readNode, stagesOf } from './node-operation.ts';
import { makeScene, type Scene, sceneFolder } from './node-scene.ts';
import type { Progress } from './progress.ts';

let folder: string;
let scene: Scene;
let told: Progress[];
const onProgress = (progress: Progress) => told.push(progress);
beforeEach(() => {
  folder = sceneFolder();
  scene = makeScene(folder);
  told = [];
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('the configuration of the node is checked, its warnings are told, its variables reach programs', async () => {
  const machine = scene.boot('active');
  machine.files.write('/oem/a.yaml', '#cloud-config\nenv: [A=1]\ncloud-init-paths: [/a, null]\n');
  machine.files.write('/etc/kairos/.nousers', '');
  const seen: unknown[] = [];
  const host = {
    ...machine,
    run: async (...[, options]: Parameters<typeof machine.run>) => {
      seen.push(options?.env);
      return { stdout: '', stderr: '', code: 0 };
    },
  };
  const node = await readNode(host, { strict: true, onProgress }, (collected, how) => {
    const files = collected.documents.map(({ file }) => file);
    return { config: collected.config as CloudConfig, warnings: ['odd'], how, files };
  });
  expect([node.checked.how, node.checked.files]).toEqual([
    { strict: true, allowNoUsers: true },
    ['/oem/a.yaml'],
  ]);
  expect(node.extraPaths).toEqual(['/a']);
  node.warn('later');
  expect(node.warnings).toEqual(['odd', 'later']);
  expect(told).toEqual([
    { step: 'warning', message: 'odd' },
    { step: 'warning', message: 'later' },
  ]);
  await node.host.run(['true']);
  expect(seen).toEqual([{ A: '1' }]);
});

test('what a stage prints is told under its name', async () => {
  const node = await readNode(scene.boot('active'), { onProgress }, () => ({ config: {}, warnings: [] }));
  const runStage = async (...[, stage, , , tell]: Parameters<Parameters<typeof stagesOf>[1]['runStage']>) =>
    tell(`in ${stage}`);
  await stagesOf(node, { runStage }, new AbortController().signal, onProgress).runStage('before-upgrade');
  expect(told).toEqual([{ step: 'before-upgrade', message: 'in before-upgrade' }]);
});

test('what cannot be put back does not undo what was done', async () => {
  const host = scene.boot('active', { run: () => ({}) });
  const cleanup = new Cleanup();
  cleanup.push('a mount', () => {
    throw new Error('busy');
  });
  const warnings: string[] = [];
  const warn = (message: string) => warnings.push(message);
  const ending = { cleanup, message: 'done', report: onProgress };
  await endOperation({ host, warn }, { ...ending, after: 'poweroff' });
  expect(warnings).toEqual([expect.stringMatching(/^Could not clean up: .*busy/)]);
  expect(told).toEqual([{ step: 'done', message: 'done' }]);
  expect(host.commands).toEqual([['sync'], ['poweroff', '-f']]);
});
