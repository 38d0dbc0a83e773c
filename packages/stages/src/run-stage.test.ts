import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseDocument } from '@kairos/config/document';
import { directoryHost } from '@kairos/host/directory';
import { runStage, stageError } from './run-stage.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'stages-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function put(path: string, content: string): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), content);
}
const read = (path: string) => readFileSync(join(folder, path), 'utf8');
const mode = (path: string) => (statSync(join(folder, path)).mode & 0o7777).toString(8);

describe('a run', () => {
  test('passes in order, files by directory and name, each step reported', async () => {
    put(
      'oem/90.yaml',
      'name: user\nstages:\n  boot.after:\n  - commands: [three]\n  boot:\n  - commands: [two]\n',
    );
    put(
      'system/oem/00.yaml',
      'stages:\n  boot.before:\n  - commands: [zero]\n  boot:\n  - commands: [one]\n',
    );
    const host = directoryHost(folder, { run: () => ({}) });
    const result = await runStage(host, 'boot');
    expect(host.commands.map((argv) => argv.at(-1))).toEqual(['zero', 'one', 'two', 'three']);
    expect(result.steps.map(({ id, status }) => [id, status])).toEqual([
      ['/system/oem/00.yaml.0', 'done'],
      ['/system/oem/00.yaml.0', 'done'],
      ['user.0', 'done'],
      ['user.0', 'done'],
    ]);
    expect(result.failed).toBe(false);
  });

  test('one bad file and one failing command stop nothing and are told with their places', async () => {
    put('oem/10.yaml', 'stages:\n  boot: [\n');
    put(
      'oem/20.yaml',
      'stages:\n  boot:\n  - name: a\n    commands:\n    - bad\n    - good\n  - commands: [last]\n',
    );
    const host = directoryHost(folder, {
      run: (argv) => ({ code: argv.at(-1) === 'bad' ? 3 : 0, stderr: 'no such thing' }),
    });
    const result = await runStage(host, 'boot');
    expect(host.commands.map((argv) => argv.at(-1))).toEqual(['bad', 'good', 'last']);
    expect(
      result.problems.map(({ code, position, module, step }) => [
        code,
        position.file,
        position.line,
        module,
        step,
      ]),
    ).toEqual([
      ['YAML_INVALID', '/oem/10.yaml', 3, undefined, undefined],
      ['TOOL_FAILED', '/oem/20.yaml', 5, 'commands', '/oem/20.yaml.a'],
    ]);
    expect(result.steps.map(({ status, reason }) => [status, reason])).toEqual([
      ['failed', '1 error'],
      ['done', undefined],
    ]);
    expect(stageError(result)?.exit).toBe('stageFailed');
    expect(stageError(await runStage(host, 'boot', { lenient: true }))).toBeUndefined();
  });

  test('files have their mode, 0644 where none is given, and a misspelt key is told', async () => {
    const text = `stages:
  boot:
  - files:
    - path: /etc/a
      content: "1"
      permsisions: 0600
    - path: /etc/deep/b
      content: "2"
      permissions: 0600
`;
    put('oem/a.yaml', text);
    const result = await runStage(directoryHost(folder), 'boot');
    expect(read('etc/a')).toBe('1');
    expect(mode('etc/a')).toBe('644');
    expect(mode('etc/deep/b')).toBe('600');
    expect(result.problems).toEqual([
      {
        severity: 'warning',
        code: 'UNKNOWN_KEY',
        message: 'unknown key "permsisions", did you mean "permissions"?',
        hint: 'Write permissions',
        position: { file: '/oem/a.yaml', line: 6, column: 7 },
        module: 'files',
        step: '/oem/a.yaml.0',
      },
    ]);
    expect(result.failed).toBe(false);
  });

  test('a dry run changes nothing, and later steps see what earlier ones would have done', async () => {
    put('etc/x', 'old\n');
    put(
      'oem/a.yaml',
      `stages:
  boot:
  - files:
    - { path: /etc/x, content: "new\\n" }
    - { path: /etc/secret, content: hush, permissions: "0600" }
  - if: '[ -e /etc/secret ]'
    commands: [reload]
  - if: '[ ! -e /etc/secret ]'
    commands: [never]
`,
    );
    const host = directoryHost(folder);
    const result = await runStage(host, 'boot', { dryRun: true });
    expect(host.commands).toEqual([]);
    expect(read('etc/x')).toBe('old\n');
    expect(result.steps.map(({ changes }) => changes)).toEqual([
      [
        {
          kind: 'file',
          summary: 'write /etc/x (4 bytes, mode 0644)',
          diff: '--- /etc/x\n+++ /etc/x\n@@ -1 +1 @@\n-old\n+new\n',
        },
        { kind: 'file', summary: 'create /etc/secret (4 bytes, mode 0600)' },
      ],
      [{ kind: 'command', summary: 'run sh -c reload' }],
      [],
    ]);
    expect(result.steps[2]?.reason).toBe('not: [ ! -e /etc/secret ]');
  });

  test('documents come after the directories in each pass', async () => {
    put('oem/a.yaml', 'stages:\n  boot: [{commands: [a]}]\n  boot.after: [{commands: [c]}]\n');
    const host = directoryHost(folder, { run: () => ({}) });
    await runStage(host, 'boot', {
      documents: [parseDocument('#cloud-config\nruncmd: [b, [echo, "it\'s"]]\n', 'cmdline')],
    });
    expect(host.commands.map((argv) => argv.at(-1))).toEqual(['a', 'b', "'echo' 'it'\\''s'", 'c']);
  });

  test('a template that cannot be rendered is an error, and its text is not written', async () => {
    put('oem/a.yaml', 'stages:\n  boot:\n  - files:\n    - path: /etc/t\n      content: "{{ .x }}"\n');
    const result = await runStage(directoryHost(folder), 'boot', {
      services: {
        render() {
          throw new Error('no x');
        },
      },
    });
    expect(result.problems.map(({ message, position }) => [message, position.line])).toEqual([['no x', 4]]);
    expect(() => read('etc/t')).toThrow();
  });
});
