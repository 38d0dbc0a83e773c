import { afterEach, beforeEach, expect, test } from 'bun:test';
import { KairosError } from '@kairos/facts/errors';
import type { Answers, InstallationView } from '@kairos/pages/installer-api';
import { readAnswers } from './answers.ts';
import { InstallerScene } from './scene.ts';

let scene: InstallerScene;
beforeEach(() => {
  scene = new InstallerScene();
});
afterEach(() => scene[Symbol.dispose]());

const answers = (more: Partial<Record<keyof Answers, unknown>> = {}) =>
  readAnswers({ user: { name: 'ada', password: 'secret' }, after: 'reboot', ...more });
const kept = () => scene.host.files.list('/run/kairos-installer');

test('an installation runs the agent with the answers and follows it to its real result', async () => {
  const { installer } = scene;
  const seen: InstallationView[] = [];
  installer.watch((view) => seen.push(view));
  const started = await installer.start(
    answers({ disk: '/dev/vda', erase: true, cloudConfig: '#cloud-config\na: 1\n' }),
  );
  expect(started).toMatchObject({
    number: 1,
    state: 'running',
    percent: 0,
    phase: 'prepare',
    after: 'reboot',
  });
  const call = await scene.nextCall();
  expect(call.arguments.slice(0, 7)).toEqual([
    ...[
      'manual-install',
      '--json',
      '--use-default-dirs',
      '--leave-running',
      '--device',
      '/dev/vda',
      '--force',
    ],
  ]);
  expect(call.arguments.length).toBe(9);
  expect(call.environment).toEqual({ KAIROS_AGENT_PROGRESS: 'detail' });
  expect(call.stopSignal).toBe('SIGTERM');
  expect(call.configs[0]).toContain('device: /dev/vda\n  reboot: true');
  expect(call.configs[0]).not.toContain('secret');
  expect(call.configs[1]).toBe('#cloud-config\na: 1\n');
  expect(kept().length).toBe(2);
  call.line('{"event":"step","step":"active"}');
  call.line('{"event":"progress","step":"active","message":"copying","done":1,"total":2}');
  expect(installer.current).toMatchObject({ phase: 'active', percent: 22, message: 'copying' });
  call.line('{"installed":true,"plan":{"image":{"name":"k","version":"v2"},"disk":{"path":"/dev/vda"}}}');
  call.end();
  const end = await installer.ended();
  expect(end).toMatchObject({
    ...{ state: 'succeeded', percent: 100, installed: { name: 'k', version: 'v2', disk: '/dev/vda' } },
    endsAt: '2026-01-02T03:04:20.000Z',
  });
  expect(seen.at(-1)).toEqual(end as InstallationView);
  expect(kept()).toEqual([]);
  installer.cancelEnd();
  expect(installer.current?.endsAt).toBeUndefined();
});

test('a failure is told with the message and the hint of the agent, and another try is possible', async () => {
  const { installer } = scene;
  await installer.start(answers());
  const call = await scene.nextCall();
  call.line('noise', 'stderr');
  call.line('{"error":{"code":"DISK_FULL","message":"no room","hint":"make some","exitCode":17}}', 'stderr');
  call.end(17);
  expect(await installer.ended()).toMatchObject({
    ...{ state: 'failed', percent: 0, error: { code: 'DISK_FULL', message: 'no room', hint: 'make some' } },
  });
  expect(installer.current?.endsAt).toBeUndefined();
  expect((await installer.start(answers())).number).toBe(2);
  (await scene.nextCall()).end();
  expect((await installer.ended())?.state).toBe('succeeded');
  installer.cancelEnd();
});

test('an agent that says nothing and fails is still a failure', async () => {
  await scene.installer.start(answers());
  (await scene.nextCall()).end(139);
  const view = await scene.installer.ended();
  expect(view?.state).toBe('failed');
  expect(view?.error?.message).toContain('exited with 139');
});

test('one at a time, also while the first is still being planned', async () => {
  const { installer } = scene;
  const both = await Promise.allSettled([installer.start(answers()), installer.start(answers())]);
  expect(both.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
  expect(both[1]).toMatchObject({ reason: { code: 'INSTALL_RUNNING' } });
  await expect(installer.end('reboot')).rejects.toMatchObject({ code: 'INSTALL_RUNNING' });
  (await scene.nextCall()).end();
  await installer.ended();
  installer.cancelEnd();
  await installer.end('poweroff');
  expect(scene.others).toEqual([['sync'], ['poweroff', '-f']]);
});

test('stopping asks the agent to end and waits until it has', async () => {
  await scene.installer.start(answers());
  const call = await scene.nextCall();
  const stopping = scene.installer.stop();
  expect(call.stopped()).toBe(true);
  expect(scene.installer.current?.state).toBe('running');
  call.end(130);
  expect((await stopping)?.state).toBe('stopped');
});

test('stopping while it is planned lets nothing begin', async () => {
  const starting = scene.installer.start(answers());
  const stopping = scene.installer.stop();
  await expect(starting).rejects.toMatchObject({ code: 'INSTALL_STOPPED', exit: 'interrupted' });
  expect(await stopping).toBeUndefined();
  expect(scene.installer.current).toBeUndefined();
  expect(scene.planned[0]?.signal?.aborted).toBe(true);
});

test('a plan that ends because it was stopped is no refusal', async () => {
  scene.planError = new KairosError('TOOL_FAILED', 'wipefs was stopped', { exit: 'interrupted' });
  const starting = scene.installer.start(answers());
  const stopping = scene.installer.stop();
  await expect(starting).rejects.toMatchObject({ code: 'INSTALL_STOPPED' });
  await stopping;
});

test('what planning refuses is refused before anything starts', async () => {
  scene.planError = new KairosError('DISK_HAS_DATA', 'data', { exit: 'unsuitableDisk' });
  await expect(scene.installer.start(answers())).rejects.toMatchObject({ code: 'DISK_HAS_DATA' });
  expect(scene.installer.current).toBeUndefined();
  scene.planError = undefined;
  await scene.installer.start(answers());
  (await scene.nextCall()).end();
  await scene.installer.ended();
  scene.installer.cancelEnd();
});

test('a plan shows no secrets and leaves no file', async () => {
  const plan = await scene.installer.plan(
    answers({
      kubernetes: { role: 'k3s', token: 'tok', url: '', args: [] },
      user: { name: 'ada', password: 'pass' },
    }),
  );
  expect(plan.warnings).toEqual(['careful']);
  expect(plan.cloudConfig).toContain('K3S_TOKEN: "********"');
  expect(plan.cloudConfig).toContain('passwd: "********"');
  expect(plan.cloudConfig).not.toContain('$6$');
  expect(scene.planned[0]).toMatchObject({
    dryRun: true,
    useDefaultDirectories: true,
    device: 'auto',
    force: false,
  });
  expect(kept()).toEqual([]);
});

test.each([
  ['no user anywhere', {}, 'nousers: true'],
  [
    'a user of the cloud-config',
    { cloudConfig: '#cloud-config\nusers: [{name: b, groups: [admin]}]\n' },
    undefined,
  ],
])('%s', async (_, more, expected) => {
  const { cloudConfig } = await scene.installer.plan(readAnswers(more));
  expect(cloudConfig.includes('nousers')).toBe(expected !== undefined);
});

test('a user of the medium counts', async () => {
  scene.host.files.write(
    '/run/initramfs/live/c.yaml',
    '#cloud-config\nusers: [{name: b, groups: [admin]}]\n',
  );
  expect((await scene.installer.node()).hasAdmin).toBe(true);
  expect((await scene.installer.plan(readAnswers({}))).cloudConfig).not.toContain('nousers');
});

test('validation has positions and the words of a compiler', () => {
  const { valid, problems } = scene.installer.validate('#cloud-config\nstages:\n  boot:\n  - comands: [a]\n');
  expect(valid).toBe(true);
  expect(problems).toMatchObject([{ line: 4, column: 5, severity: 'warning' }]);
  expect(problems[0]?.text).toContain('^^^^^^^');
  expect(scene.installer.validate('#cloud-config\ninstall: [\n').valid).toBe(false);
  expect(scene.installer.validate('hello: 1\n').valid).toBe(false);
  expect(scene.installer.validate(' \n')).toEqual({ valid: true, problems: [] });
});

test('the node tells its text of the branding and its Kubernetes', async () => {
  expect(await scene.installer.node()).toMatchObject({
    hostname: 'live',
    text: '',
    kubernetes: false,
    image: '',
  });
  scene.host.files.write('/etc/kairos/branding/install_text', 'Welcome\n');
  scene.host.files.write('/etc/kairos-release', 'KAIROS_NAME="kairos-core"\nKAIROS_VERSION="v3"\n');
  scene.host.files.write('/usr/bin/k3s', '');
  expect(await scene.installer.node()).toMatchObject({
    text: 'Welcome',
    kubernetes: true,
    image: 'kairos-core v3',
  });
  scene.host.files.write('/etc/kairos/agent.yaml', 'branding: {install: Hello}\n');
  expect((await scene.installer.node()).text).toBe('Hello');
  scene.host.files.write('/etc/kairos/agent.yaml', 'branding: [');
  expect((await scene.installer.node()).text).toBe('Welcome');
});
