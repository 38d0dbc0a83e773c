import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { rmSync } from 'node:fs';
import { type DirectoryHost, directoryHost } from '@kairos/host/directory';
import { sceneFolder } from '../node-scene.ts';
import {
  failedServices,
  hasDefaultRoute,
  kubernetesNodeNotReady,
  serviceNotActive,
  targetNotReached,
} from './probes.ts';

let folder: string;
beforeEach(() => {
  folder = sceneFolder();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const machine = (answer: (argv: readonly string[]) => { stdout?: string; code?: number } = () => ({})) =>
  directoryHost(folder, { run: answer });
const systemd = (host: DirectoryHost) => host.files.makeDirectory('/run/systemd/system');

const header = 'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n';
const local6 = `${'0'.repeat(32)} 00 ${'0'.repeat(32)} 00 ${'0'.repeat(32)} ffffffff 00000001 00000000 00200200       lo\n`;

test.each<[string, string, string, boolean]>([
  ['nothing', '', '', false],
  [
    'a network and no gateway',
    `${header}eth0\t0002000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n`,
    local6,
    false,
  ],
  ['a default route', `${header}eth0\t00000000\t0202000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n`, '', true],
  ['one that is down', `${header}eth0\t00000000\t0202000A\t0002\t0\t0\t0\t00000000\t0\t0\t0\n`, '', false],
  [
    ...(['one of IPv6', header] as const),
    `${local6}${'0'.repeat(32)} 00 ${'0'.repeat(32)} 00 fe80${'0'.repeat(28)} 00000400 00000001 00000000 00450003     eth0\n`,
    true,
  ],
])('default route: %s', (_, ipv4, ipv6, wanted) => {
  expect(hasDefaultRoute(ipv4, ipv6)).toBe(wanted);
});

describe('the target of the init', () => {
  test('of systemd', async () => {
    const host = (state: string) =>
      machine(() => ({ stdout: `Id=graphical.target\nActiveState=${state}\n` }));
    systemd(host(''));
    expect(await targetNotReached(host('active'))).toBeUndefined();
    expect(await targetNotReached(host('inactive'))).toBe('graphical.target is inactive');
  });
  test('of OpenRC', async () => {
    const host = machine();
    host.files.write('/run/openrc/softlevel', 'boot\n');
    expect(await targetNotReached(host)).toBe('the runlevel is boot');
    host.files.write('/run/openrc/softlevel', 'default\n');
    expect(await targetNotReached(host)).toBeUndefined();
  });
  test('of sysvinit, which starts the checks when it has reached it', async () => {
    expect(await targetNotReached(machine())).toBeUndefined();
  });
});

describe('services', () => {
  test('that failed: ours count, the others are told', async () => {
    const host = machine(() => ({
      stdout: 'cos-setup-boot.service loaded failed failed x\n  fstrim.service loaded failed failed y\n',
    }));
    systemd(host);
    expect(await failedServices(host)).toEqual({
      failures: ['cos-setup-boot.service failed'],
      warnings: ['fstrim.service failed'],
    });
  });
  test('that failed under OpenRC', async () => {
    const host = machine();
    for (const name of ['cos-setup-fs', 'chronyd']) host.files.write(`/run/openrc/failed/${name}`, '');
    expect(await failedServices(host)).toEqual({
      failures: ['cos-setup-fs failed'],
      warnings: ['chronyd failed'],
    });
  });
  test('that have to run', async () => {
    const host = machine(([, , , name]) =>
      name === 'a.service' ? { code: 0 } : { code: 3, stdout: 'failed\n' },
    );
    systemd(host);
    expect(await serviceNotActive(host, 'a.service')).toBeUndefined();
    expect(await serviceNotActive(host, 'b.service')).toBe('b.service is failed');
    expect(host.commands[1]).toEqual(['systemctl', 'is-active', '--', 'b.service']);
  });
  test('that have to run under OpenRC and sysvinit', async () => {
    const host = machine(([, name]) => ({ code: name === 'ssh' ? 0 : 3 }));
    expect(await serviceNotActive(host, 'ssh.service')).toBeUndefined();
    expect(await serviceNotActive(host, 'cron')).toContain('cron: ');
    host.files.write('/run/openrc/started/sshd', '');
    expect(await serviceNotActive(host, 'sshd')).toBeUndefined();
    expect(await serviceNotActive(host, 'cron')).toBe('cron is not started');
  });
});

describe('the node of Kubernetes', () => {
  const ready = async (stdout: string) => {
    const host = machine(() => ({ stdout }));
    host.files.write('/proc/sys/kernel/hostname', 'Node-1\n');
    host.files.write('/etc/rancher/k3s/k3s.yaml', '');
    return [await kubernetesNodeNotReady(host, 1000), host.commands[0]] as const;
  };
  test('is ready, or says what it is', async () => {
    const [reason, command] = await ready('True');
    expect(reason).toBeUndefined();
    expect(command?.slice(0, 6)).toEqual([
      'k3s',
      'kubectl',
      '--kubeconfig=/etc/rancher/k3s/k3s.yaml',
      'get',
      'node',
      'node-1',
    ]);
    expect((await ready('False'))[0]).toBe('node node-1 has Ready=False');
  });
  test('without a client is not', async () => {
    expect(await kubernetesNodeNotReady(machine(), 1000)).toBe(
      'there is no kubectl with a configuration of a node',
    );
  });
});
