/** The phone-home client against a real server on loopback, which also misbehaves. */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { directoryHost } from '@kairos/host/directory';
import type { Host } from '@kairos/host/host';
import { runProgram } from '@kairos/host/run';
import { credentialsPath, readCredentials } from '../phone-home/credentials.ts';
import { FleetServer } from '../phone-home/fixture-fleet-server.ts';
import { type PhoneHomeOptions, phoneHome, uninstallPhoneHome } from './phone-home.ts';

let folder: string;
let server: FleetServer;
let host: Host;
let lines: string[];
let pauses: number[];
let controller: AbortController;
let running: Promise<unknown> | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'phone-home-'));
  server = new FleetServer();
  lines = [];
  pauses = [];
  controller = new AbortController();
  running = undefined;
  const files = directoryHost(folder);
  host = {
    ...files,
    run(argv, options) {
      if (argv[0] === '/usr/bin/kairos-agent')
        return runProgram([join(folder, argv[0]), ...argv.slice(1)], options);
      return argv[0] === 'sh'
        ? runProgram(argv, options)
        : Promise.resolve(void lines.push(argv.join(' '))).then(() => ({ stdout: '', stderr: '', code: 0 }));
    },
  };
  host.files.write('/proc/cmdline', 'root=LABEL=COS_ACTIVE');
  host.files.write('/proc/sys/kernel/hostname', 'edge-1\n');
  host.files.write('/etc/machine-id', '0123\n');
  host.files.write('/etc/os-release', 'ID=debian\n');
  agent('echo "$@" >>"$(dirname "$0")/../../calls"; echo done');
});
afterEach(async () => {
  controller.abort();
  await running?.catch(() => undefined);
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

function agent(script: string): void {
  mkdirSync(join(folder, 'usr/bin'), { recursive: true });
  writeFileSync(join(folder, 'usr/bin/kairos-agent'), `#!/bin/sh\n${script}\n`);
  chmodSync(join(folder, 'usr/bin/kairos-agent'), 0o755);
}
const calls = () =>
  existsSync(join(folder, 'calls')) ? readFileSync(join(folder, 'calls'), 'utf8').trim().split('\n') : [];

function configure(more = '', token = 'secret'): void {
  host.files.write(
    '/oem/phonehome.yaml',
    `#cloud-config\nphonehome:\n  url: ${server.url}/\n  registration_token: ${token}\n  group: edge\n  labels: {site: a}\n${more}`,
  );
}

function go(more: Partial<PhoneHomeOptions> = {}): Promise<unknown> {
  const started = phoneHome(host, {
    tell: (line) => lines.push(line),
    warn: (line) => lines.push(`warning: ${line}`),
    signal: controller.signal,
    // Pauses between connections are only noted.
    sleep: async (milliseconds) => void pauses.push(milliseconds),
    ...more,
  });
  running = started;
  return started;
}
const connected = async (count = 1) =>
  server.until(() => server.sockets.length >= count && server.frames.length > 0);

describe('connection', () => {
  test('registers once, keeps its credentials for root alone, and says what it is in each heartbeat', async () => {
    configure('  heartbeat_interval: 20ms\n');
    go();
    await server.until(() => server.frames.filter(({ type }) => type === 'heartbeat').length >= 3);
    expect(server.registrations).toEqual([
      expect.objectContaining({
        ...{ registrationToken: 'secret', machineID: '0123', hostname: 'edge-1', bootState: 'active' },
        ...{ group: 'edge', labels: { site: 'a' } },
      }),
    ]);
    expect(server.frames[0]).toMatchObject({
      type: 'heartbeat',
      data: { osRelease: { ID: 'debian' }, labels: { site: 'a' }, bootState: 'active' },
    });
    expect(readFileSync(join(folder, credentialsPath), 'utf8')).toBe('node_id: node-1\napi_key: key-1\n');
    expect(statSync(join(folder, credentialsPath)).mode & 0o777).toBe(0o600);
    controller.abort();
    expect(await running).toBe('stopped');
    // The key is in the address: it must not get into a log.
    expect(lines.join('\n')).not.toContain('key-1');
  });

  test('a lost connection is taken up again with the same credentials; the pause begins anew', async () => {
    configure('  reconnect_backoff: 1s\n');
    go();
    await connected();
    server.drop();
    await server.until(() => server.tokens.length === 2);
    await connected();
    server.drop();
    await server.until(() => server.tokens.length === 3);
    expect(server.tokens).toEqual(['key-1', 'key-1', 'key-1']);
    expect(server.registrations).toHaveLength(1);
    for (const pause of pauses) expect(pause).toBeWithin(750, 1251);
  });

  test('a server that is down is tried again, each time later, up to a minute', async () => {
    configure();
    server.registerStatus = Array.from({ length: 7 }, () => 503);
    go();
    await connected();
    expect(server.registrations).toHaveLength(8);
    const expected = [5000, 10_000, 20_000, 40_000, 60_000, 60_000, 60_000];
    expected.forEach((pause, index) => {
      expect((pauses[index] ?? 0) / pause).toBeWithin(0.75, 1.2501);
    });
  });

  test('a server that forgot the node gets it anew', async () => {
    configure();
    host.files.write(credentialsPath, 'node_id: old\napi_key: revoked\n');
    go();
    await connected();
    expect(server.tokens).toEqual(['revoked', 'key-1']);
    expect(readCredentials(host.files)).toEqual({ nodeId: 'node-1', apiKey: 'key-1' });
  });

  test('a wrong registration token ends it with a hint', async () => {
    configure('', 'wrong');
    await expect(go()).rejects.toMatchObject({
      code: 'REGISTRATION_REFUSED',
      hint: 'Check phonehome.registration_token',
    });
    expect(existsSync(join(folder, credentialsPath))).toBe(false);
  });

  test('a server that is silent is left', async () => {
    // Takes the connection and never says anything again, not even to a ping.
    const silent = Bun.listen({
      hostname: '127.0.0.1',
      port: 0,
      socket: {
        data(socket, bytes) {
          const key = /sec-websocket-key: (.*)\r\n/i.exec(bytes.toString())?.[1];
          if (key === undefined) return;
          const accept = new Bun.CryptoHasher('sha1')
            .update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
            .digest('base64');
          socket.write(
            `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
          );
        },
      },
    });
    try {
      host.files.write(credentialsPath, 'node_id: a\napi_key: b\n');
      host.files.write(
        '/oem/p.yaml',
        `#cloud-config\nphonehome: {url: "http://127.0.0.1:${silent.port}", heartbeat_interval: 10ms}\n`,
      );
      await new Promise<void>((resolve) => {
        go({
          sleep: async () => {
            resolve();
            controller.abort();
          },
        });
      });
      expect(lines.join('\n')).toContain('the server was silent for 3 heartbeats; connecting again');
    } finally {
      silent.stop(true);
    }
  });

  test('messages that are none do no harm', async () => {
    configure('  allowed_commands: [exec]\n');
    go();
    await connected();
    const [socket] = server.sockets;
    for (const text of [
      '',
      'x',
      '[]',
      '{"type":"command"}',
      '{"type":"command","data":{"id":"","command":"exec"}}',
      '{"type":"other","data":1}',
    ]) {
      socket?.send(text);
    }
    server.command('1', 'exec', { command: 'echo still here' });
    expect(await server.outcome('1')).toEqual(['Completed', 'still here']);
  });

  test('without an address there is nothing to do; a second one is refused', async () => {
    expect(await go()).toBe('not-wanted');
    configure();
    go();
    await connected();
    const first = running;
    await expect(go()).rejects.toMatchObject({ code: 'BUSY' });
    running = first;
  });
});

describe('commands', () => {
  beforeEach(() =>
    configure(
      '  allowed_commands: [upgrade, upgrade-recovery, reset, apply-cloud-config, exec, reboot, unregister]\n',
    ),
  );

  test.each<[string, string, Record<string, unknown>, string[], boolean]>([
    ['an image', 'upgrade', { source: 'quay.io/a:1' }, ['upgrade --source oci:quay.io/a:1'], true],
    ['a source with its kind', 'upgrade', { source: 'dir:/x' }, ['upgrade --source dir:/x'], true],
    ['recovery', 'upgrade-recovery', { source: 'oci:a' }, ['upgrade --source oci:a --recovery'], false],
    [
      'recovery by argument',
      'upgrade',
      { source: 'oci:a', recovery: 'true' },
      ['upgrade --source oci:a --recovery'],
      false,
    ],
    ['reset', 'reset', {}, ['bootentry --select statereset'], true],
    ['reboot', 'reboot', {}, [], true],
  ])(
    '%s: runs the agent, tells the outcome, then restarts where that belongs to it',
    async (_, command, args, expected, restarts) => {
      go();
      await connected();
      server.command('1', command, args);
      const [phase] = await server.outcome('1');
      expect(phase).toBe('Completed');
      // Commands run one after the other: when this one has answered, what followed the first is done.
      server.command('2', 'exec', { command: 'true' });
      await server.outcome('2');
      expect(calls()).toEqual(expected);
      expect(lines.filter((line) => /^reboot|^systemctl reboot/.test(line))).toEqual(
        restarts ? ['reboot -f'] : [],
      );
      if (restarts) expect(pauses).toEqual([10_000]);
    },
  );

  test.each<[string, string, Record<string, unknown>, RegExp]>([
    ['no source', 'upgrade', {}, /the argument source is missing/],
    ['a source that is a flag', 'upgrade', { source: '--force' }, /--force is no source/],
    ['an artifact that climbs', 'upgrade', { source: 'artifact:../x' }, /is no artifact/],
    ['a reset with arguments', 'reset', { 'reset-oem': true }, /takes no arguments/],
    ['a broken configuration', 'apply-cloud-config', { config: 'a: [' }, /line \d+: /],
    ['an unknown command', 'format', {}, /not a command that this node knows/],
    [
      'a failing command',
      'exec',
      { command: 'echo out; echo err >&2; exit 3' },
      /^it exited with 3\nout\nerr$/,
    ],
  ])('%s fails with the reason, and nothing restarts', async (_, command, args, reason) => {
    go();
    await connected();
    server.command('1', command, args);
    expect(await server.outcome('1')).toEqual(['Failed', expect.stringMatching(reason)]);
    expect([calls(), pauses]).toEqual([[], []]);
  });

  test('an upgrade that fails is told with what it said, and nothing restarts', async () => {
    agent('echo "no space left" >&2; exit 17');
    go();
    await connected();
    server.command('1', 'upgrade', { source: 'oci:a' });
    expect(await server.outcome('1')).toEqual([
      'Failed',
      expect.stringMatching(/exited with 17:\nno space left/),
    ]);
    expect(pauses).toEqual([]);
  });

  test('an artifact of the server is fetched with the key, again where that fails, and is gone afterwards', async () => {
    configure('  artifact_download_retry_interval: 1ms\n');
    agent(
      `cp "\${3#ocifile:}" ${folder}/copy 2>/dev/null || cp "${folder}\${3#ocifile:}" ${folder}/copy; echo "$@" >${folder}/calls`,
    );
    server.artifactStatus = [503, 500];
    go();
    await connected();
    server.command('1', 'upgrade-recovery', { source: 'artifact:abc-1' });
    expect((await server.outcome('1'))[0]).toBe('Completed');
    expect(readFileSync(join(folder, 'copy'), 'utf8')).toBe('the image');
    expect(calls()).toEqual(['upgrade --source ocifile:/usr/local/.kairos/phonehome/abc-1.tar --recovery']);
    expect([server.artifactRequests, existsSync(join(folder, 'usr/local/.kairos/phonehome'))]).toEqual([
      3,
      false,
    ]);
    server.artifactStatus = [404];
    server.command('2', 'upgrade', { source: 'artifact:abc-2' });
    expect(await server.outcome('2')).toEqual(['Failed', expect.stringContaining('answered 404')]);
    expect(server.artifactRequests).toBe(4);
  });

  test('a cloud-config is checked and kept for root alone', async () => {
    go();
    await connected();
    server.command('1', 'apply-cloud-config', { config: 'hostname: new' });
    expect((await server.outcome('1'))[0]).toBe('Completed');
    expect(host.files.readText('/oem/99_phonehome_remote.yaml')).toBe('#cloud-config\nhostname: new\n');
    expect(host.files.status('/oem/99_phonehome_remote.yaml')?.mode).toBe(0o600);
  });

  test('a command that is delivered twice is carried out once; its outcome survives a lost connection', async () => {
    agent(`echo "$@" >>${folder}/calls; while [ ! -e ${folder}/go ]; do sleep 0.02; done; echo done`);
    go();
    await connected();
    server.command('1', 'upgrade-recovery', { source: 'oci:a' });
    await server.until(() => server.statuses('1').length === 1);
    server.drop();
    await connected();
    server.command('1', 'upgrade-recovery', { source: 'oci:a' });
    writeFileSync(join(folder, 'go'), '');
    expect(await server.outcome('1')).toEqual(['Completed', 'done']);
    expect(calls()).toHaveLength(1);
  });

  test('a restart that fails is warned of, and the next command is carried out', async () => {
    const { run } = host;
    host = {
      ...host,
      run: (argv, options) =>
        argv[0] === 'reboot' ? Promise.reject(new Error('no such luck')) : run(argv, options),
    };
    go();
    await connected();
    server.command('1', 'reboot', {});
    server.command('2', 'exec', { command: 'echo still here' });
    expect(await server.outcome('2')).toEqual(['Completed', 'still here']);
    expect(lines).toContain('warning: The command reboot: no such luck');
  });

  test('an upgrade that is stopped with it may clean up after itself', async () => {
    agent(`trap 'echo cleaned >>${folder}/calls; exit 130' TERM; echo begun >>${folder}/calls
      while true; do sleep 0.02; done`);
    go();
    await connected();
    server.command('1', 'upgrade-recovery', { source: 'oci:a' });
    while (calls().length === 0) await Bun.sleep(5);
    controller.abort();
    await running;
    while (lines.at(-1) !== 'command 1: Failed') await Bun.sleep(5);
    expect(calls()).toEqual(['begun', 'cleaned']);
  });

  test('unregister ends it and removes the credentials', async () => {
    go();
    await connected();
    server.command('1', 'unregister');
    expect(await running).toBe('left');
    await server.until(() => server.statuses('1').length === 2);
    expect(server.statuses('1').at(-1)?.[0]).toBe('Completed');
    expect(existsSync(join(folder, credentialsPath))).toBe(false);
  });
});

test('what is not allowed is refused; by default only what brings a node further', async () => {
  configure();
  go();
  await connected();
  for (const name of ['exec', 'reset', 'apply-cloud-config']) {
    server.command(name, name, { command: 'touch /tmp/x', config: 'a: 1' });
    expect(await server.outcome(name)).toEqual([
      'Failed',
      expect.stringContaining(`${name} is not allowed on this node`),
    ]);
  }
  expect(calls()).toEqual([]);
});

test('uninstall takes phone-home out of the configuration and leaves the rest as it is written', async () => {
  configure();
  host.files.write(
    '/oem/90_custom.yaml',
    '#cloud-config\n# mine\nhostname: a # kept\nphonehome: {url: "https://x"}\nusers: []\n',
    { mode: 0o640 },
  );
  host.files.write('/etc/kairos/image.yaml', '#cloud-config\nhostname: b\nphonehome:\n  url: https://x\n');
  host.files.write(credentialsPath, 'node_id: a\napi_key: b\n');
  host.files.write('/oem/99_phonehome_remote.yaml', '#cloud-config\n');
  host.files.makeDirectory('/run/systemd/system');
  expect(await uninstallPhoneHome(host, () => undefined)).toEqual({
    changed: [credentialsPath, '/oem/99_phonehome_remote.yaml', '/oem/90_custom.yaml', '/oem/phonehome.yaml'],
    remaining: ['/etc/kairos/image.yaml:3'],
  });
  expect(lines).toEqual(['systemctl stop kairos-agent-phonehome.service']);
  expect(host.files.readText('/oem/90_custom.yaml')).toBe(
    '#cloud-config\n# mine\nhostname: a # kept\nusers: []\n',
  );
  expect(host.files.status('/oem/90_custom.yaml')?.mode).toBe(0o640);
  expect(host.files.list('/oem')).toEqual(['90_custom.yaml']);
});
