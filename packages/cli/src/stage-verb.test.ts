import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { directoryHost } from '@kairos/host/directory';
import type { StageFlags } from './commands/agent-stage.ts';
import { runStageVerb } from './stage-verb.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'stage-verb-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const usual: StageFlags = { analyze: false, dryRun: false, strict: false, lenient: false, json: false };

/** Runs the verb on a folder in which the program `bad` fails. */
async function run(flags: Partial<StageFlags>, files: Readonly<Record<string, string>>) {
  const host = directoryHost(folder, {
    run: (argv) => (argv.at(-1)?.startsWith('bad') ? { code: 3, stderr: 'no such thing' } : {}),
  });
  for (const [path, text] of Object.entries(files)) host.files.write(path, text);
  const said = { out: '', err: '' };
  const code = await runStageVerb('boot', { ...usual, ...flags }, host, {
    stdout: { write: (text) => (said.out += text) },
    stderr: { write: (text) => (said.err += text) },
  });
  return { code, ...said, host };
}

const failing = {
  '/oem/a.yaml': 'name: a\nstages:\n  boot:\n  - name: one\n    commands: [bad --token=s3cr3t, good]\n',
  '/oem/b.yaml': 'stages:\n  boot: [\n',
};
const report = [
  '/oem/b.yaml:3:1: error: Flow sequence in block collection must be sufficiently indented and end with a ]',
  '    3 | ',
  '      | ^',
  '/oem/a.yaml:5:16: error: the command exited with 3: no such thing',
  '    5 |     commands: [bad --token=********, good]',
  '      |                ^',
  '      = in step a.one, commands',
  '',
].join('\n');

describe('what went wrong', () => {
  test('is told at the end with place, step and module, and is the exit code', async () => {
    const { code, err, out, host } = await run({}, failing);
    expect(err).toBe(report);
    expect(out).toMatch(/^failed {2}one \(1 error\) {2}\d+ ms\n$/);
    expect(code).toBe(21);
    expect(host.commands.map((argv) => argv.at(-1))).toEqual(['bad --token=s3cr3t', 'good']);
  });

  test('leniently is told as well, with exit code 0, and is in the record that `state` shows', async () => {
    const { code, err, host } = await run({ lenient: true }, { ...failing, '/run/immucore/x': '' });
    expect([code, err]).toEqual([0, report]);
    expect(JSON.parse(host.files.readText('/run/immucore/stages/boot.json'))).toMatchObject({
      steps: { done: 0, skipped: 0, failed: 1 },
      problems: [
        { severity: 'error', position: '/oem/b.yaml:3:1' },
        { severity: 'error', position: '/oem/a.yaml:5:16', step: 'a.one', module: 'commands' },
      ],
    });
  });

  test('as JSON has every problem, leniently too', async () => {
    const { code, out } = await run({ lenient: true, json: true }, failing);
    expect(code).toBe(0);
    expect(JSON.parse(out).problems.map(({ code }: { code: string }) => code)).toEqual([
      'YAML_INVALID',
      'TOOL_FAILED',
    ]);
  });
});

const misspelt = { '/oem/a.yaml': 'name: a\nstages:\n  boot:\n  - systctl: {}\n' };

test('warnings count only strictly', async () => {
  expect((await run({}, misspelt)).code).toBe(0);
  expect((await run({ strict: true }, misspelt)).code).toBe(21);
  expect((await run({ strict: true, lenient: true }, misspelt)).code).toBe(0);
});

test('an analysis runs nothing and says why each step comes where it does', async () => {
  const { code, out, host } = await run(
    { analyze: true },
    {
      '/oem/a.yaml':
        'name: a\nstages:\n  boot.before: [{name: p, commands: [x]}]\n  boot: [{name: q, after: [{name: b.r}]}]\n',
      '/oem/b.yaml': 'name: b\nstages:\n  boot: [{name: r}]\n',
    },
  );
  expect([code, host.commands]).toEqual([0, []]);
  expect(out.split('\n').map((line) => line.trim())).toEqual([
    '1  boot.before  a.p',
    'first step of boot.before in /oem/a.yaml, by its name in /oem',
    '2  boot         b.r',
    'first step of boot in /oem/b.yaml, by its name in /oem',
    '3  boot         a.q',
    'after b.r, as it asks',
    '',
  ]);
});

test('a dry run shows changes of files as differences and makes none', async () => {
  const { code, out, host } = await run(
    { dryRun: true },
    {
      '/etc/motd': 'old\n',
      '/oem/a.yaml':
        'stages:\n  boot:\n  - name: one\n    files: [{path: /etc/motd, content: "new\\n"}]\n    commands: [good]\n',
    },
  );
  expect(code).toBe(0);
  expect(out.split('\n').map((line) => line.trimEnd())).toEqual([
    'done    one',
    '        write /etc/motd (4 bytes, mode 0644)',
    '        --- /etc/motd',
    '        +++ /etc/motd',
    '        @@ -1 +1 @@',
    '        -old',
    '        +new',
    '        run sh -c good',
    '',
  ]);
  expect(host.files.readText('/etc/motd')).toBe('old\n');
});

test('who is not root may look and not run', async () => {
  const host = directoryHost(folder, { uid: 1000, run: () => ({}) });
  host.files.write('/oem/a.yaml', 'stages:\n  boot: [{commands: [good]}]\n');
  const quiet = { write: () => undefined };
  const streams = { stdout: quiet, stderr: quiet };
  expect(await runStageVerb('boot', { ...usual, dryRun: true }, host, streams)).toBe(0);
  expect(await runStageVerb('boot', { ...usual, analyze: true }, host, streams)).toBe(0);
  await expect(runStageVerb('boot', usual, host, streams)).rejects.toMatchObject({
    code: 'NOT_ROOT',
    exitCode: 16,
  });
  expect(host.commands).toEqual([]);
});

test('named directories come after the usual ones, or take their place: nothing else runs then', async () => {
  const step = (name: string) => `stages:\n  boot: [{name: ${name}, commands: ["${name}"]}]\n`;
  const files = { '/oem/a.yaml': step('oem'), '/own/a.yaml': step('own'), '/more/a.yaml': step('more') };
  const ran = async (flags: Partial<StageFlags>) =>
    (await run(flags, files)).host.commands.map((argv) => argv.at(-1));
  expect(await ran({})).toEqual(['oem']);
  expect(await ran({ cloudInitPaths: ['/more'] })).toEqual(['oem', 'more']);
  expect(await ran({ overrideCloudInitPaths: ['/own'], cloudInitPaths: ['/more'] })).toEqual(['own', 'more']);
});
