import { afterEach, beforeEach, expect, test } from 'bun:test';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { directoryHost } from '@kairos/host/directory';
import type { Host } from '@kairos/host/host';
import { runProgram } from '@kairos/host/run';
import { type BusOptions, openProviderBus } from './bus.ts';
import { providerEvent, timeoutOf } from './events.ts';
import {
  afterReset,
  availableReleases,
  beforeReset,
  installationToken,
  installPrompts,
  pairedConfiguration,
  recoveryToken,
  versionImage,
} from './questions.ts';

let folder: string;
let warnings: string[];
let lines: string[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bus-'));
  warnings = [];
  lines = [];
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Files below the folder, programs for real. */
const machine = (): Host => ({
  ...directoryHost(folder, { uid: process.getuid?.() ?? 0 }),
  run: runProgram,
});

function plugin(name: string, script: string, directory = '/system/providers'): string {
  const path = join(folder, directory, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
  return path;
}

const bus = (more: Partial<BusOptions> = {}) =>
  openProviderBus(machine(), {
    searchPath: '/usr/bin',
    warn: (message) => warnings.push(message),
    tell: (line) => lines.push(line),
    ...more,
  });

const answer = (data: unknown) =>
  `printf '%s' '${JSON.stringify({ data: typeof data === 'string' ? data : JSON.stringify(data) })}'`;

test('discovery: PATH, then the directories of the system, then the configured ones; the first of a name counts', () => {
  plugin('agent-provider-b', 'true', '/usr/bin');
  plugin('agent-provider-a', 'true');
  plugin('agent-provider-b', 'true');
  plugin('agent-provider-c', 'true', '/usr/local/system/providers');
  plugin('agent-provider-d', 'true', '/opt/mine');
  plugin('agent-provider-', 'true');
  plugin('other', 'true');
  expect(bus({ paths: ['/opt/mine/', 'relative'] }).providers.map(({ path }) => path)).toEqual([
    '/usr/bin/agent-provider-b',
    '/system/providers/agent-provider-a',
    '/usr/local/system/providers/agent-provider-c',
    '/opt/mine/agent-provider-d',
  ]);
  expect(warnings).toEqual(['providers.paths: "relative" is not an absolute path and is left out']);
});

test('what others than root could have written is not run', () => {
  chmodSync(plugin('agent-provider-open', 'true'), 0o757);
  chmodSync(plugin('agent-provider-plain', 'true'), 0o644);
  mkdirSync(join(folder, 'system/providers/agent-provider-folder'));
  symlinkSync('/nowhere', join(folder, 'system/providers/agent-provider-lost'));
  symlinkSync('agent-provider-loop', join(folder, 'system/providers/agent-provider-loop'));
  plugin('program', 'true', '/usr/bin');
  symlinkSync('/usr/bin/program', join(folder, 'system/providers/agent-provider-link'));
  expect(bus().providers.map(({ name }) => name)).toEqual(['agent-provider-link']);
  expect(warnings).toEqual([
    'The plug-in /system/providers/agent-provider-folder is left out: it is not a file',
    'The plug-in /system/providers/agent-provider-loop is left out: it is a link that leads nowhere',
    'The plug-in /system/providers/agent-provider-lost is left out: it is a link that leads nowhere',
    'The plug-in /system/providers/agent-provider-open is left out: everybody may write to it',
    'The plug-in /system/providers/agent-provider-plain is left out: it is not executable',
  ]);
});

test('a plug-in of another user is not run', () => {
  if (process.getuid?.() !== 0) return;
  plugin('agent-provider-mine', 'true');
  const host = machine();
  const other: Host = {
    ...host,
    files: {
      ...host.files,
      status: (path) => {
        const status = host.files.status(path);
        return status && { ...status, uid: 1000 };
      },
    },
  };
  const { providers } = openProviderBus(other, { searchPath: '', warn: (message) => warnings.push(message) });
  expect(providers).toEqual([]);
  expect(warnings).toEqual([
    'The plug-in /system/providers/agent-provider-mine is left out: it belongs to user 1000, not to root',
  ]);
});

test('a plug-in gets the event as argument and one JSON object, and answers with one', async () => {
  plugin(
    'agent-provider-echo',
    `printf '%s' "$1" >${folder}/argument; cat >${folder}/input; echo '{"state":"s","data":"d","log":"worked"}'`,
  );
  const { answers, failures } = await bus().publish('agent.boot', { config: 'a: 1' });
  expect(failures).toEqual([]);
  expect(answers).toEqual([{ provider: 'agent-provider-echo', data: 'd', state: 's' }]);
  expect(readFileSync(join(folder, 'argument'), 'utf8')).toBe('agent.boot');
  expect(JSON.parse(readFileSync(join(folder, 'input'), 'utf8'))).toEqual({
    name: 'agent.boot',
    data: '{"config":"a: 1"}',
    file: '',
  });
  expect(lines).toEqual(['agent-provider-echo: worked']);
});

test('a large payload goes by a file that only its owner reads, and that is gone afterwards', async () => {
  plugin(
    'agent-provider-big',
    `input=$(cat); file=$(printf '%s' "$input" | sed 's/.*"file":"\\([^"]*\\)".*/\\1/')
     stat -c '%a' "$file" >${folder}/mode; stat -c '%a' "$(dirname "$file")" >>${folder}/mode
     cp "$file" ${folder}/copy; printf '%s' "$input" >${folder}/input; exit 3`,
  );
  const config = 'é'.repeat(4096);
  const { failures } = await bus().publish('agent.bootstrap', { config });
  expect(failures).toHaveLength(1);
  expect(readFileSync(join(folder, 'mode'), 'utf8')).toBe('600\n700\n');
  expect(JSON.parse(readFileSync(join(folder, 'copy'), 'utf8'))).toEqual({ config });
  expect(JSON.parse(readFileSync(join(folder, 'input'), 'utf8'))).toMatchObject({ data: '' });
  expect(readdirSync(join(folder, 'run/kairos-agent/payloads'))).toEqual([]);
});

test.each<[string, string, string]>([
  ['crashes', 'echo broken >&2; exit 7', 'it exited with 7; it said:\nbroken'],
  ['is killed', 'echo oh >&2; kill -9 $$', 'was killed by SIGKILL:\noh'],
  ['says why it failed', `echo '{"error":"no network"}'; exit 1`, 'it exited with 1: no network'],
  ['answers with an error', `echo '{"error":"no token"}'`, 'no token'],
  ['prints nothing', 'true', 'it printed nothing instead of an answer in JSON'],
  [
    'prints garbage',
    'echo hello; echo why >&2',
    'it printed "hello" instead of an answer in JSON; it said:\nwhy',
  ],
  ['prints another JSON', 'echo 7', 'it printed "7" instead of an answer in JSON'],
  ['prints without end', 'yes', 'printed more than 4194304 bytes and was killed'],
  ['prints one line without end', "tr '\\0' x </dev/zero", 'printed more than 4194304 bytes and was killed'],
  ['hangs', 'echo waiting >&2; sleep 1000', 'did not end within 300 ms:\nwaiting'],
  ['leaves a child behind that holds its pipes', 'setsid sleep 2 & sleep 1000', 'did not end within 300 ms'],
  ['does not read its input and crashes', 'exit 2', 'it exited with 2'],
  ['is no program', 'true', 'Cannot run'],
])('a plug-in that %s is reported and the next one is asked', async (what, script, reason) => {
  const path = plugin('agent-provider-bad', script);
  if (what === 'is no program') writeFileSync(path, '#!/no/interpreter\n');
  plugin('agent-provider-good', answer('fine'));
  const timeouts = /hangs|leaves/.test(what) ? { 'agent.boot': '300ms' } : { default: '60s' };
  const { answers, failures } = await bus({ timeouts }).publish('agent.boot', { config: '' });
  expect(answers).toEqual([{ provider: 'agent-provider-good', data: 'fine', state: '' }]);
  expect(failures).toHaveLength(1);
  expect(failures[0]?.provider).toBe('agent-provider-bad');
  expect(failures[0]?.reason).toStartWith('The plug-in agent-provider-bad failed at agent.boot: ');
  expect(failures[0]?.reason).toContain(reason);
  expect(failures[0]?.reason.length).toBeLessThan(3000);
  expect(warnings).toEqual([failures[0]?.reason ?? '']);
});

test('stopping stops the plug-in and asks no other', async () => {
  plugin('agent-provider-a', 'echo started >&2; sleep 1000');
  plugin('agent-provider-b', `touch ${folder}/other`);
  const controller = new AbortController();
  const asked = bus({ signal: controller.signal, tell: () => controller.abort() }).ask('agent.install', {});
  await expect(asked).rejects.toMatchObject({ code: 'INTERRUPTED', exit: 'interrupted' });
  expect(existsSync(join(folder, 'other'))).toBe(false);
});

test('a question ends with the first that answers; who has nothing to say is passed over', async () => {
  plugin('agent-provider-a', "echo '{}'");
  plugin('agent-provider-b', answer('token'));
  plugin('agent-provider-c', `touch ${folder}/asked; ${answer('late')}`);
  expect(await installationToken(bus(), '')).toBe('token');
  expect(await recoveryToken(bus(), '')).toBe('token');
  expect(await versionImage(bus(), 'v1')).toBe('token');
  expect(existsSync(join(folder, 'asked'))).toBe(false);
});

test('questions that need an answer say what is missing', async () => {
  await expect(installationToken(bus(), '')).rejects.toMatchObject({
    code: 'NO_PROVIDER',
    message: 'An installation without install.auto needs a plug-in, and this system has none',
  });
  plugin('agent-provider-a', 'exit 1');
  plugin('agent-provider-b', "echo '{}'");
  await expect(recoveryToken(bus(), '')).rejects.toMatchObject({
    code: 'NO_ANSWER',
    message: expect.stringMatching(
      /agent-provider-a, agent-provider-b.*\n.*agent-provider-a failed at agent\.recovery/,
    ),
  });
  expect(await availableReleases(bus(), '')).toBeUndefined();
  expect(await versionImage(bus(), 'v1')).toBeUndefined();
});

test('answers are read as what was asked', async () => {
  plugin(
    'agent-provider-a',
    `case $1 in
    agent.install) ${answer({ cc: '#cloud-config\n', device: '/dev/sda' })} ;;
    agent.available_releases) ${answer(['v2', 'v1'])} ;;
    agent.interactive-install) ${answer([{ YAMLSection: 'p2p.network_token', Prompt: 'Token?', Bool: false }])} ;;
    agent.reset.before) ${answer({ 'reset-oem': 'true', strict: false })} ;;
    *) echo '{}' ;;
  esac`,
  );
  plugin('agent-provider-b', answer({ 'reset-oem': 'false', other: '1' }));
  expect(await pairedConfiguration(bus(), { token: 't', config: '' })).toBe('#cloud-config\n');
  expect(await availableReleases(bus(), '')).toEqual(['v2', 'v1']);
  expect(await beforeReset(bus())).toEqual({ 'reset-oem': 'true', strict: 'false', other: '1' });
  await afterReset(bus());
  const told: string[] = [];
  expect(await installPrompts(bus(), '', (message) => told.push(message))).toEqual([
    {
      ...{ YAMLSection: 'p2p.network_token', Bool: false, Prompt: 'Token?', Default: '', AskFirst: false },
      ...{ AskPrompt: '', IfEmpty: '', PlaceHolder: '' },
    },
  ]);
  expect(told).toEqual([
    expect.stringMatching(/^The plug-in agent-provider-b answered agent\.interactive-install with/),
  ]);
});

test.each([
  ['not JSON', 'x', availableReleases],
  ['another type', { a: 1 }, availableReleases],
  [
    'no configuration',
    { device: '/dev/sda' },
    (one: ReturnType<typeof bus>) => pairedConfiguration(one, { token: '', config: '' }),
  ],
])('an answer that is %s is an error', async (_, data, ask) => {
  plugin('agent-provider-a', answer(data));
  await expect(ask(bus(), '')).rejects.toMatchObject({
    code: 'ANSWER_INVALID',
    message: expect.stringContaining('agent-provider-a'),
  });
});

test('events and their timeouts', () => {
  expect(providerEvent('agent.boot')).toBe('agent.boot');
  expect(() => providerEvent('agent.bot')).toThrow(
    expect.objectContaining({
      code: 'EVENT_UNKNOWN',
      hint: expect.stringContaining('Did you mean agent.boot?'),
    }),
  );
  expect(timeoutOf('agent.recovery')).toBe(60_000);
  expect(timeoutOf('agent.install')).toBeUndefined();
  expect(timeoutOf('agent.install', { default: '2s' })).toBe(2000);
  expect(timeoutOf('agent.boot', { default: '2s', 'agent.boot': 0 })).toBeUndefined();
  expect(() => timeoutOf('agent.boot', { 'agent.boot': 'soon' })).toThrow(
    '"soon" for agent.boot is not a duration',
  );
});
