import { afterEach, beforeEach, expect, test } from 'bun:test';
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { DirectoryHost } from '@kairos/host/directory';
import { editGrubEnvironment } from '@kairos/host/fixture-grub-environment';
import { readGrubEnvironment } from '@kairos/host/grub-environment';
import type { Host } from '@kairos/host/host';
import { runProgram } from '@kairos/host/run';
import { firstBootSentinel } from '../first-boot.ts';
import { makeScene, type Scene, sceneFolder } from '../node-scene.ts';
import { notify } from './notify.ts';
import { recovery } from './recovery.ts';
import { type ExtraTasks, type StartOptions, start } from './start.ts';

let folder: string;
let scene: Scene;
let warnings: string[];
let lines: string[];
beforeEach(() => {
  folder = sceneFolder();
  scene = makeScene(folder);
  warnings = [];
  lines = [];
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A node whose plug-ins and stage commands run for real, and nothing else. */
function node(
  slot: 'active' | 'recovery' = 'active',
  cmdline?: string,
): Host & Pick<DirectoryHost, 'commands'> {
  const host = scene.boot(slot, {
    uid: process.getuid?.() ?? 0,
    ...(cmdline === undefined ? {} : { cmdline }),
  });
  return {
    ...host,
    uid: 0,
    run: (argv, options) =>
      argv[0].includes('agent-provider-') || argv[0] === 'sh'
        ? runProgram(argv, options)
        : host.run(argv, options),
  };
}

function plugin(name: string, script: string, directory = '/system/providers'): void {
  const path = join(folder, directory, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
}

const options = (more: Partial<StartOptions> = {}): StartOptions => ({
  searchPath: '',
  warn: (message) => warnings.push(message),
  tell: (line) => lines.push(line),
  now: () => new Date('2026-01-02T03:04:05Z'),
  sleep: async () => undefined,
  ...more,
});

const config = (host: Host, text: string) =>
  host.files.write('/oem/90_custom.yaml', `#cloud-config\n${text}`);
const fine = `cat >"$(dirname "$0")/../../seen-$1"; echo '{}'`;

test('the first start does the tasks of the first boot, and a second does not', async () => {
  const host = node();
  const mark = join(folder, 'marks');
  config(
    host,
    `hostname: one\ngrub_options: {extra_cmdline: "quiet rd.debug", saved_entry: }\nstages: {first-boot: [{commands: ["echo ran >>${mark}"]}]}\n`,
  );
  plugin('agent-provider-a', fine);
  expect(await start(host, options())).toEqual({ outcome: 'started', firstBootDone: true, failures: [] });
  expect(readGrubEnvironment(host.files, '/oem/grubenv')).toEqual({ extra_cmdline: 'quiet rd.debug' });
  expect(host.files.readText(firstBootSentinel)).toBe('2026-01-02T03:04:05.000Z\n');
  expect(lines).toEqual(['GRUB: set extra_cmdline']);
  const payload = JSON.parse(JSON.parse(readFileSync(join(folder, 'seen-agent.bootstrap'), 'utf8')).data);
  expect(payload).toMatchObject({
    api: 'http://127.0.0.1:8080',
    logfile: '/var/log/kairos/agent-provider.log',
  });
  expect(payload.config).toContain('# Sources:\n# - /oem/90_custom.yaml\n');
  expect(payload.config).toContain('hostname: one\n');

  config(host, 'grub_options: {extra_cmdline: other}\n');
  await start(host, options({ api: 'http://127.0.0.1:1' }));
  expect(readGrubEnvironment(host.files, '/oem/grubenv')).toEqual({ extra_cmdline: 'quiet rd.debug' });
  expect(readFileSync(mark, 'utf8')).toBe('ran\n');
  await start(host, options({ force: true }));
  expect(readGrubEnvironment(host.files, '/oem/grubenv')).toEqual({ extra_cmdline: 'other' });
  expect(warnings).toEqual([]);
});

test('what the block of the installation says of a variable does not hide what the user wants', async () => {
  const host = node();
  host.files.makeDirectory('/state');
  editGrubEnvironment(host.files, '/state/grub_oem_env', { default_menu_entry: 'Old', keep: 'me' });
  config(host, 'grub_options: {default_menu_entry: New}\n');
  await start(host, options());
  expect(readGrubEnvironment(host.files, '/oem/grubenv')).toEqual({ default_menu_entry: 'New' });
  expect(readGrubEnvironment(host.files, '/state/grub_oem_env')).toEqual({ keep: 'me' });
});

test('a task that failed is tried again at the next start; the others are not held up', async () => {
  const host = node();
  let works = false;
  const ran: string[] = [];
  const task = (name: string, run: () => void): ReturnType<ExtraTasks>[number] => ({
    name,
    fatal: false,
    run: async () => {
      ran.push(name);
      run();
    },
  });
  const extra: ExtraTasks = () => [
    task('one', () => {
      if (!works) throw new Error('no network');
    }),
    task('two', () => undefined),
  ];
  expect(await start(host, options(), extra)).toMatchObject({ firstBootDone: false });
  expect(warnings).toEqual(['first boot: one failed: no network; it is tried again at the next start']);
  works = true;
  expect(await start(host, options(), extra)).toMatchObject({ firstBootDone: true });
  await start(host, options(), extra);
  expect(ran).toEqual(['one', 'two', 'one', 'two']);
});

test('a fatal task ends the service after the others were tried, whatever comes after', async () => {
  const host = node();
  plugin('agent-provider-a', fine);
  const ran: string[] = [];
  const extra: ExtraTasks = () => [
    { name: 'bundles', fatal: true, run: () => Promise.reject(new Error('no such image')) },
    { name: 'other', fatal: false, run: async () => void ran.push('other') },
  ];
  await expect(start(host, options(), extra)).rejects.toMatchObject({
    code: 'FIRST_BOOT_FAILED',
    message: 'first boot: bundles failed: no such image',
  });
  expect(ran).toEqual(['other']);
  expect(host.files.exists(firstBootSentinel)).toBe(false);
  expect(existsSync(join(folder, 'seen-agent.bootstrap'))).toBe(false);
});

test('strict makes the stage first-boot fatal', async () => {
  const host = node();
  config(host, 'strict: true\nstages: {first-boot: [{commands: ["exit 3"]}]}\n');
  await expect(start(host, options())).rejects.toMatchObject({ code: 'FIRST_BOOT_FAILED' });
  config(host, 'stages: {first-boot: [{commands: ["exit 3"]}]}\n');
  expect(await start(host, options())).toMatchObject({ firstBootDone: false });
  expect(warnings).toEqual([
    expect.stringContaining('the stage first-boot failed: stage first-boot ran with 1 error'),
  ]);
});

test('a plug-in that the first boot brings is told too', async () => {
  const host = node();
  const extra: ExtraTasks = () => [
    {
      name: 'bundles',
      fatal: false,
      run: async () => plugin('agent-provider-new', fine, '/usr/local/system/providers'),
    },
  ];
  mkdirSync(join(folder, 'usr/local/system/providers'), { recursive: true });
  await start(host, options(), extra);
  expect(
    existsSync(join(folder, 'usr/seen-agent.bootstrap')) ||
      existsSync(join(folder, 'usr/local/seen-agent.bootstrap')),
  ).toBe(true);
});

test('a failing plug-in is an error, and with --restart it is started again, each time later', async () => {
  const host = node();
  plugin(
    'agent-provider-a',
    `n=$(cat ${folder}/n 2>/dev/null || echo 0); echo $((n + 1)) >${folder}/n; [ $n -lt 3 ] && { echo down >&2; exit 1; }; echo '{}'`,
  );
  await expect(start(host, options())).rejects.toMatchObject({
    code: 'BOOTSTRAP_FAILED',
    message: expect.stringContaining('it exited with 1; it said:\ndown'),
  });
  const pauses: number[] = [];
  const sleep = async (milliseconds: number) => void pauses.push(milliseconds);
  expect(await start(host, options({ restart: true, sleep }))).toMatchObject({ outcome: 'started' });
  expect(pauses).toEqual([2000, 4000]);
});

test('a medium that installs starts nothing; recovery keeps no state', async () => {
  plugin('agent-provider-a', fine);
  const live = node('active', 'root=live:CDLABEL=COS_LIVE');
  config(live, 'install: {auto: true}\n');
  expect(await start(live, options())).toMatchObject({ outcome: 'nothing-to-start' });
  expect(existsSync(join(folder, 'seen-agent.bootstrap'))).toBe(false);
  expect(await start(live, options({ force: true }))).toMatchObject({
    outcome: 'started',
    firstBootDone: undefined,
  });
  expect(await start(node('recovery'), options())).toMatchObject({
    outcome: 'started',
    firstBootDone: undefined,
  });
  expect(existsSync(join(folder, 'usr/local/.kairos'))).toBe(false);
});

test('phone-home is started where the configuration wants it', async () => {
  const host = node();
  await start(host, options());
  host.files.makeDirectory('/run/systemd/system');
  await start(host, options());
  expect(host.commands.filter(([program]) => program === 'systemctl')).toEqual([]);
  config(host, 'phonehome: {url: "https://fleet"}\n');
  await start(host, options());
  expect(host.commands.filter(([program]) => program === 'systemctl')).toEqual([
    ['systemctl', 'start', '--no-block', 'kairos-agent-phonehome.service'],
  ]);
});

test('notify tells the event with the merged configuration', async () => {
  const host = node();
  plugin('agent-provider-a', fine);
  plugin('agent-provider-b', 'exit 9', '/opt/plugins');
  config(host, 'providers: {paths: [/opt/plugins], timeouts: {default: 10s}}\n');
  host.files.write('/usr/local/cloud-config/a.yaml', '#cloud-config\nhostname: no\n');
  const result = await notify(host, { ...options(), event: 'agent.boot' });
  expect(result.answers.map(({ provider }) => provider)).toEqual(['agent-provider-a']);
  expect(result.failures.map(({ provider }) => provider)).toEqual(['agent-provider-b']);
  const { config: text } = JSON.parse(JSON.parse(readFileSync(join(folder, 'seen-agent.boot'), 'utf8')).data);
  expect(text).toContain('/usr/local/cloud-config/a.yaml');
  await expect(notify(host, { ...options(), event: 'boot' })).rejects.toMatchObject({
    code: 'EVENT_UNKNOWN',
  });
});

test('recovery shows the token until it is ended, and then tells the plug-ins', async () => {
  const host = node('recovery');
  await expect(
    recovery(host, { ...options(), show: () => undefined, signal: AbortSignal.abort() }),
  ).rejects.toMatchObject({ code: 'NO_PROVIDER', hint: expect.stringContaining('kairos-agent reset') });
  plugin(
    'agent-provider-a',
    `case $1 in agent.recovery) echo '{"data":"token"}' ;; *) touch ${folder}/$1; echo '{}' ;; esac`,
  );
  const controller = new AbortController();
  const shown: string[] = [];
  await recovery(host, {
    ...options(),
    signal: controller.signal,
    show(text) {
      shown.push(text);
      expect(existsSync(join(folder, 'agent.recovery.stop'))).toBe(false);
      controller.abort();
    },
  });
  expect(shown).toEqual([expect.stringMatching(/^[ ▀▄█\n]+\nScan this code/)]);
  expect(existsSync(join(folder, 'agent.recovery.stop'))).toBe(true);
});
