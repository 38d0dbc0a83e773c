import { afterEach, beforeEach, expect, test } from 'bun:test';
import { directoryHost } from '@kairos/host/directory';
import type { RootTree } from '@kairos/host/root-tree';
import type { BuildStep, PlannedCheck } from './build-step.ts';
import { debianRoot, fixtureRoot } from './fixture-root.ts';
import { layInSystem } from './lay-in.ts';
import type { BuildPlan } from './plan.ts';

let tree: RootTree;
let remove: () => void;
beforeEach(() => {
  ({ tree, remove } = fixtureRoot(debianRoot));
});
afterEach(() => remove());

const layIn = (...steps: BuildStep[]) =>
  layInSystem(
    {
      ...{ host: directoryHost('/'), tree, work: '/nowhere', milliseconds: {} },
      options: { cacheDirectory: '/nowhere', workDirectory: '/nowhere' },
      request: { definition: {}, directory: '/', output: '/nowhere', executable: '/nowhere' },
    },
    { steps } as unknown as BuildPlan,
  );

test('files, links and directories are laid in, in order; what works on the root as a whole is left to others', async () => {
  await layIn(
    { kind: 'directory', path: '/etc/a', mode: 0o700, from: 'x' },
    { kind: 'file', path: '/etc/a/b', content: 'first', mode: 0o600, from: 'x' },
    { kind: 'file', path: '/etc/a/b', content: 'second', mode: 0o640, from: 'y' },
    { kind: 'link', path: '/etc/c', target: 'a/b', from: 'y' },
    { kind: 'bootloader' },
    { kind: 'mount-points', paths: ['/tmp', '/oem', '/boot'] },
  );
  expect(tree.readText('/etc/c')).toBe('second');
  const mode = (path: string) => (tree.status(path)?.mode ?? 0) & 0o7777;
  expect(['/etc/a', '/etc/a/b', '/tmp', '/oem'].map(mode)).toEqual([0o700, 0o640, 0o1777, 0o755]);
});

test('a file that is not there is told with its place in the image', async () => {
  const step = { kind: 'copy-file', path: '/etc/a', source: '/not/there', mode: 0o644, from: 'x' } as const;
  await expect(layIn(step)).rejects.toMatchObject({
    ...{ code: 'FILE_NOT_FOUND', exit: 'notFound' },
    message: 'The file /not/there for /etc/a is not there',
  });
});

test.each<[PlannedCheck['is'], string, string | undefined]>([
  ['file', '/etc/os-release', undefined],
  ['executable', '/usr/bin/sh', undefined],
  ['directory', '/etc', undefined],
  ['file', '/etc/none', 'not there'],
  ['executable', '/etc/os-release', 'not executable'],
  ['directory', '/etc/os-release', 'not a directory'],
  ['file', '/etc', 'not a file'],
])('a component needs the %s %s: %p', async (is, path, problem) => {
  const checked = layIn({ kind: 'check', checks: [{ is, path, hint: 'Install it', from: 'x' }] });
  if (problem === undefined) return expect(await checked).toBeUndefined();
  await expect(checked).rejects.toMatchObject({
    ...{ code: 'COMPONENT_CHECK_FAILED', exit: 'unsuitableImage', hint: 'Install it' },
    message: `The component x needs ${path}, which is ${problem}`,
  });
});
