import { afterEach, beforeEach, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { directoryHost } from '@kairos/host/directory';
import { collectLogs, redact } from './log-bundle.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'logs-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const machine = () =>
  directoryHost(folder, {
    run: (argv) => {
      const unit = argv.at(-1);
      if (unit === 'broken') return { code: 1, stderr: 'no journal' };
      return { stdout: unit === 'k3s' || unit === 'mine' ? `log of ${unit}\n` : '-- No entries --\n' };
    },
  });

/** What tar itself finds in the bundle. */
function unpack(content: Uint8Array): Record<string, string> {
  writeFileSync(join(folder, 'out.tar.gz'), content);
  const tar = (...args: string[]) =>
    Bun.spawnSync(['tar', ...args, '-zf', join(folder, 'out.tar.gz')]).stdout.toString();
  const names = tar('-t').trim().split('\n');
  return Object.fromEntries(
    names.map((name) => [
      name,
      Bun.spawnSync(['tar', '-xzOf', join(folder, 'out.tar.gz'), name]).stdout.toString(),
    ]),
  );
}

test('journals, log files, the boot report and records of failed boots; what is not there is left out', async () => {
  const host = machine();
  host.files.write('/var/log/kairos/agent.log', 'one\n');
  host.files.write('/var/log/syslog.log', 'token=abc\n');
  host.files.write('/var/log/other.txt', 'x');
  host.files.write('/run/immucore/boot-report.json', '{}');
  host.files.write('/oem/boot-failures/1-active.json', '{"slot":"active"}');
  host.files.write('/opt/app/logs/a.log', 'app');
  host.files.symlink('/etc/shadow', '/var/log/link.log');
  const { content, names } = await collectLogs(
    host,
    {
      logs: {
        journal: ['mine.service', 'broken', '--flush'],
        files: ['/opt/app/**/*.log', 'relative', '/opt/../etc/*'],
      },
    },
    { 'state.yaml': 'boot: active_boot\n' },
    new Date('2026-01-02T03:04:05Z'),
  );
  const found = unpack(content);
  expect(names).toEqual(Object.keys(found));
  expect(found).toEqual({
    'files/oem/boot-failures/1-active.json': '{"slot":"active"}',
    'files/opt/app/logs/a.log': 'app',
    'files/run/immucore/boot-report.json': '{}',
    'files/var/log/kairos/agent.log': 'one\n',
    'files/var/log/syslog.log': 'token=***\n',
    'journal/k3s.log': 'log of k3s\n',
    'journal/mine.log': 'log of mine\n',
    'left-out.txt': expect.stringMatching(
      /^journal of broken: .*no journal\nlogs\.journal: "--flush" is no unit\nlogs\.files: "relative" is not an absolute path\nlogs\.files: "\/opt\/\.\.\/etc\/\*" is not an absolute path\n$/,
    ),
    'state.yaml': 'boot: active_boot\n',
  });
});

test('configuration and keys are never taken, whatever the configuration says', async () => {
  const host = machine();
  const secret = [
    '/oem/90_custom.yaml',
    '/usr/local/cloud-config/a.yaml',
    '/usr/local/.kairos/phonehome-credentials.yaml',
    '/etc/shadow',
    '/root/.ssh/id_ed25519',
    '/etc/ssh/ssh_host_rsa_key',
    '/etc/kairos/a.yaml',
    '/etc/tls/server.key',
  ];
  for (const path of secret) host.files.write(path, 'secret');
  const { names, skipped } = await collectLogs(
    host,
    { logs: { files: ['/oem/*', '/usr/local/**/*', '/etc/**/*', '/root/**/*'] } },
    {},
    new Date(),
  );
  expect(names).toEqual(['journal/k3s.log', 'left-out.txt']);
  expect(skipped.map((line) => line.split(':')[0]).sort()).toEqual(secret.sort());
});

test.each([
  ['password: hunter2 next', 'password: *** next'],
  ['{"api_key":"abc def","x":1}', '{"api_key":***,"x":1}'],
  ["registration_token='a b'", 'registration_token=***'],
  ['Authorization: Bearer abc.def', 'Authorization: Bearer ***'],
  ['GET /api/v1/ws?token=abc&x=1', 'GET /api/v1/ws?token=***&x=1'],
  ['https://user:pass@host/x', 'https://user:***@host/x'],
  ['K3S_TOKEN=K10abc::server:x', 'K3S_TOKEN=***'],
])('%s', (text, expected) => {
  expect(redact(text)).toBe(expected);
});

test('what is no secret stays as it is', () => {
  const text = '2026-01-02T03:04:05 immucore: bind /home failed (degrade): https://host:8080/x said no\n';
  expect(redact(text)).toBe(text);
});
