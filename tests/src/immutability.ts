import { expect } from 'bun:test';
import type { NodeState } from '@kairos/agent/state/state';
import type { SerialConsole } from './console.ts';

/** Paths whose changes last until the reboot only, and paths that keep them. */
export const ephemeralPaths = ['/etc', '/var', '/srv'] as const;
export const persistentPaths = [
  '/usr/local',
  '/home',
  '/root',
  '/opt',
  '/etc/ssh',
  '/etc/systemd',
  '/var/log',
  '/oem',
] as const;

/** Shows in a running system that its root is what it promises, and leaves marks for {@link expectAfterReboot}. */
export async function expectImmutable(shell: SerialConsole): Promise<void> {
  for (const path of ['/proof', '/usr/proof', '/usr/bin/proof']) {
    const { code, output } = await shell.run(`touch ${path}`);
    expect([path, code, /Read-only file system/.test(output)]).toEqual([path, 1, true]);
  }
  expect(await shell.ok('dmsetup table kairos-root')).toContain(' verity ');
  expect(await shell.ok('awk \'$2 == "/" { print $3, substr($4, 1, 2) }\' /proc/mounts | tail -n 1')).toMatch(
    /^(erofs|squashfs|ext4) ro$/,
  );
  for (const path of [...ephemeralPaths, ...persistentPaths]) await shell.ok(`echo mark > ${path}/mark`);
  await shell.ok('cat /etc/machine-id > /oem/machine-id-before');
  await shell.ok('cat /etc/ssh/ssh_host_ed25519_key.pub > /oem/host-key-before');
  await shell.ok('sync');
}

/** The second boot: persistent data is there, ephemeral data is not, the node is the same node. */
export async function expectAfterReboot(shell: SerialConsole): Promise<void> {
  for (const path of ephemeralPaths)
    expect([path, (await shell.run(`cat ${path}/mark`)).code]).toEqual([path, 1]);
  for (const path of persistentPaths)
    expect([path, await shell.ok(`cat ${path}/mark`)]).toEqual([path, 'mark']);
  expect(await shell.ok('cmp /etc/machine-id /oem/machine-id-before && echo same')).toBe('same');
  expect(await shell.ok('cmp /etc/ssh/ssh_host_ed25519_key.pub /oem/host-key-before && echo same')).toBe(
    'same',
  );
}

/** What `kairos-agent state` says, whose lines a terminal breaks. */
export async function readState(shell: SerialConsole): Promise<NodeState> {
  const text = await shell.ok('kairos-agent state --json', { timeout: 900_000 });
  return JSON.parse(text.replaceAll('\n', ''));
}

/** What `kairos-agent state` says of a healthy installed node. */
export async function expectHealthyState(shell: SerialConsole): Promise<void> {
  expect(await readState(shell)).toMatchObject({
    boot: 'active_boot',
    oem: { mounted: true, mount_point: '/oem' },
    persistent: { mounted: true, mount_point: '/usr/local', read_only: false },
    state: { mount_point: '/run/initramfs/cos-state', read_only: true },
    boot_report: { outcome: 'ok' },
  });
}
