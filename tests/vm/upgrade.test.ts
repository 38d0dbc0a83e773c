import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { writeDiskImage, writeFilesystem, writeTree } from '../src/extension-images.ts';
import { executable, guestAccelerator, imageLayout, kairos, work } from '../src/images.ts';
import { readState } from '../src/immutability.ts';
import { Machine } from '../src/qemu.ts';
import { loginAsRoot, quickStart, setGrubOptions, testUser } from '../src/scenario.ts';

const folder = join(work, 'upgrade');
const disk = join(folder, 'node.raw');
const carrier = join(folder, 'carrier.img');
const extensions = [
  ['sysext', 'hello'],
  ['sysext', 'changed'],
  ['confext', 'settings'],
] as const;

async function run(command: string[]): Promise<void> {
  const child = Bun.spawn(command, { stdin: 'ignore', stdout: 'ignore', stderr: 'pipe' });
  const [stderr, code] = await Promise.all([new Response(child.stderr).text(), child.exited]);
  if (code !== 0) throw new Error(`${command.join(' ')} exited with ${code}:\n${stderr}`);
}

/** Extensions: one with a hash tree, one without, one for `/etc`. */
function writeExtensions(to: string): void {
  mkdirSync(to);
  const release = 'ID=debian\nVERSION_ID=13\n';
  for (const [name, kind, content] of [
    ['hello', 'usr/lib', { 'usr/bin/hello': '#!/bin/sh\necho hello\n' }],
    ['changed', 'usr/lib', { 'usr/share/changed': 'changed\n' }],
    ['settings', 'etc', { 'etc/settings': 'settings\n' }],
  ] as const) {
    const tree = writeTree(join(folder, 'tree'), {
      ...content,
      [`${kind}/extension-release.d/extension-release.${name}`]: release,
    });
    const path = join(to, `${name}.raw`);
    if (name === 'hello') writeDiskImage(path, tree);
    else writeFilesystem(path, 'squashfs', tree);
  }
}

/** A node that runs the image of the tests, and a second disk that carries a newer one and extensions. */
beforeAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, 'carrier'), { recursive: true });
  const config = join(folder, 'config.yaml');
  await Bun.write(
    config,
    `#cloud-config\nusers:\n  - name: ${testUser.name}\n    passwd: ${testUser.password}\n    groups: [admin]\n`,
  );
  await kairos('build', 'raw', await imageLayout('debian13'), '--output', disk, '--cloud-config', config);
  setGrubOptions(disk, quickStart);
  const newer = join(folder, 'carrier/image');
  await kairos(
    ...['build', 'image', 'debian:13', '--image-version', 'v2.0.0', '--output', newer, '--work', folder],
    ...['--executable', executable, '--compression', 'fast'],
  );
  writeExtensions(join(folder, 'carrier/extensions'));
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
  const { slots } = await readState(shell);
  expect([slots.active?.version, slots.passive?.version]).toEqual(['v2.0.0', 'v0.0.0']);

  for (const [kind, name] of extensions) {
    await shell.ok(`kairos-agent ${kind} install file:/run/carrier/extensions/${name}.raw`);
    await shell.ok(`kairos-agent ${kind} enable ${name} --common`);
  }
  // Behind the superblock, as a bad block or a hand would.
  await shell.ok(
    'printf %s damage | dd of=/var/lib/kairos/extensions/changed.raw bs=1 seek=100 conv=notrunc status=none && sync',
  );

  shell.send('systemctl reboot --force\n');
  await shell.waitFor(/Linux version/, { timeout: 300_000 });
  await loginAsRoot(shell, { timeout: 600_000 });
  const second = await readState(shell);
  expect([second.boot, second.kairos?.version]).toEqual(['active_boot', 'v2.0.0']);

  // Extensions are in place, but for the one that is not what was installed.
  expect(second.boot_report?.extensions).toEqual([
    {
      ...{ kind: 'sysext', name: 'changed.raw', status: 'refused' },
      reason: expect.stringMatching(/^changed\.raw is not what was installed: it is sha256:/),
    },
    { kind: 'sysext', name: 'hello.raw', status: 'merged' },
    { kind: 'confext', name: 'settings.raw', status: 'merged' },
  ]);
  expect(await shell.ok('hello; cat /etc/settings; ls /usr/share/changed 2>&1 | tail -c 10')).toBe(
    'hello\nsettings\ndirectory',
  );
  expect(await shell.ok('ls -d /usr/local/.state')).toBe('/usr/local/.state');
  // Users and settings are written to /etc at each start, programs in it are run.
  expect(
    await shell.ok("printf '#!/bin/sh\\necho runs\\n' >/etc/runs && chmod +x /etc/runs && /etc/runs"),
  ).toBe('runs');
  expect(await shell.ok('systemctl list-units --state=failed --plain --no-legend')).toBe('');

  // The new system loses its kernel: GRUB cannot start it and goes on with the old one.
  await shell.ok(
    'mount -o remount,rw /run/initramfs/cos-state && rm /run/initramfs/cos-state/cOS/active/vmlinuz && sync',
  );
  shell.send('systemctl reboot --force\n');
  await shell.waitFor(/Linux version/, { timeout: 300_000 });
  await loginAsRoot(shell, { timeout: 600_000 });
  await shell.ok('kairos-agent boot-good', { timeout: 600_000 });
  const third = await readState(shell);
  expect([third.boot, third.kairos?.version]).toEqual(['passive_boot', 'v0.0.0']);
  expect(await shell.ok("kairos-agent state get 'boot_failures[-1].reasons[0]'")).toBe(
    'the boot loader could not load it: its kernel (vmlinuz) is missing',
  );
});
