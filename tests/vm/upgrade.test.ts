import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { executable, guestAccelerator, imageLayout, kairos, work } from '../src/images.ts';
import { Machine } from '../src/qemu.ts';
import { loginAsRoot, testUser } from '../src/scenario.ts';

const folder = join(work, 'upgrade');
const disk = join(folder, 'node.raw');
const carrier = join(folder, 'carrier.img');

async function run(command: string[]): Promise<void> {
  const child = Bun.spawn(command, { stdin: 'ignore', stdout: 'ignore', stderr: 'pipe' });
  const [stderr, code] = await Promise.all([new Response(child.stderr).text(), child.exited]);
  if (code !== 0) throw new Error(`${command.join(' ')} exited with ${code}:\n${stderr}`);
}

/** A node that runs the image of the tests, and a second disk that carries a newer one. */
beforeAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, 'carrier'), { recursive: true });
  const config = join(folder, 'config.yaml');
  await Bun.write(
    config,
    `#cloud-config\nusers:\n  - name: ${testUser.name}\n    passwd: ${testUser.password}\n    groups: [admin]\n`,
  );
  await kairos('build', 'raw', await imageLayout('debian13'), '--output', disk, '--cloud-config', config);
  const newer = join(folder, 'carrier/image');
  await kairos(
    ...['build', 'image', 'debian:13', '--image-version', 'v2.0.0', '--output', newer, '--work', folder],
    ...['--executable', executable, '--compression', 'fast'],
  );
  await run(['truncate', '--size', '1200M', carrier]);
  await run(['mke2fs', '-q', '-t', 'ext4', '-L', 'CARRIER', '-d', join(folder, 'carrier'), carrier]);
  expect(statSync(carrier).size).toBe(1200 * 1024 * 1024);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('a node is upgraded, and falls back by itself when the new system does not start', async () => {
  await using machine = Machine.start({
    name: 'upgrade',
    accelerator: await guestAccelerator(),
    disks: [{ path: disk }, { path: carrier, readOnly: true }],
  });
  const shell = machine.console;
  await loginAsRoot(shell, { timeout: 600_000 });
  const before = await shell.ok('kairos-agent state get slots.active.version');
  expect(before).toBe('v0.0.0');
  await shell.ok('mkdir -p /run/carrier && mount -o ro LABEL=CARRIER /run/carrier');
  const output = await shell.ok('kairos-agent upgrade --source oci:/run/carrier/image', { timeout: 600_000 });
  expect(output).toContain('Upgrade completed');
  expect(await shell.ok('kairos-agent state get slots.active.version')).toBe('v2.0.0');
  expect(await shell.ok('kairos-agent state get slots.passive.version')).toBe('v0.0.0');

  shell.send('systemctl reboot\n');
  await shell.waitFor(/Linux version/, { timeout: 300_000 });
  await loginAsRoot(shell, { timeout: 600_000 });
  expect(await shell.ok('kairos-agent state get boot')).toBe('active_boot');
  expect(await shell.ok('kairos-agent state get kairos.version')).toBe('v2.0.0');

  // The new system loses its kernel: GRUB cannot start it and goes on with the old one.
  await shell.ok(
    'mount -o remount,rw /run/initramfs/cos-state && rm /run/initramfs/cos-state/cOS/active/vmlinuz && sync',
  );
  shell.send('systemctl reboot\n');
  await shell.waitFor(/Linux version/, { timeout: 300_000 });
  await loginAsRoot(shell, { timeout: 600_000 });
  expect(await shell.ok('kairos-agent state get boot')).toBe('passive_boot');
  expect(await shell.ok('kairos-agent state get kairos.version')).toBe('v0.0.0');
  await shell.ok('kairos-agent boot-good', { timeout: 600_000 });
  expect(await shell.ok("kairos-agent state get 'boot_failures[-1].reasons[0]'")).toBe(
    'the boot loader could not load it: its kernel (vmlinuz) is missing',
  );
  shell.send('systemctl poweroff\n');
  await machine.ended();
});
