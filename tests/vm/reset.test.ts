import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { MiB } from '@kairos/facts/size';
import type { Accelerator } from '../src/accelerator.ts';
import { guestAccelerator, imageLayout, kairos, slotFile, work } from '../src/images.ts';
import { readState } from '../src/immutability.ts';
import { type SyntheticImage, writeImage } from '../src/installed-node.ts';
import { OfflinePartition } from '../src/offline-edit.ts';
import { Machine, type MachineOptions } from '../src/qemu.ts';
import { loginAsRoot, quickCommandLine, setGrubOptions, testUser } from '../src/scenario.ts';
import { sharedRegistry } from '../src/shared-registry.ts';

setDefaultTimeout(3_600_000);

const folder = join(work, 'reset');
const disk = join(folder, 'node.raw');
const key = join(folder, 'key');
/** A second disk with an image in a file. */
const carrier = join(folder, 'carrier.img');
const registry = sharedRegistry('reset');
/** Systems that start nothing and are small: one in the registry, one on the carrier. */
let small: { readonly registry: SyntheticImage; readonly carrier: SyntheticImage };
let accelerator: Accelerator;

function run(...argv: string[]): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync(argv, { stdin: 'ignore' });
  if (exitCode !== 0) throw new Error(`${argv.join(' ')} exited with ${exitCode}: ${stderr.toString()}`);
  return stdout.toString();
}

/**
 * A node that was used: data on the persistent partition, slots with another digest than recovery's so that both are
 * written again, and the wish to be reset.
 */
beforeAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  run('ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', key);
  const config = join(folder, 'config.yaml');
  const user = {
    ...{ name: testUser.name, passwd: testUser.password, groups: ['admin'] },
    ssh_authorized_keys: [readFileSync(`${key}.pub`, 'utf8').trim()],
  };
  await Bun.write(config, `#cloud-config\n${JSON.stringify({ users: [user] })}\n`);
  await kairos('build', 'raw', await imageLayout('debian13'), '--output', disk, '--cloud-config', config);
  const manifest = `${readFileSync(await slotFile('debian13', 'image.json'), 'utf8')}\n`;
  const state = new OfflinePartition(disk, 'state');
  for (const slot of ['active', 'passive']) state.write(`/cOS/${slot}/image.json`, manifest);
  new OfflinePartition(disk, 'persistent').write('/secret', 'of the last owner');
  new OfflinePartition(disk, 'oem').write('/kept', 'kept');
  // An emulated machine on a busy host takes its time to find its console, and its timer may seem not to tick.
  const patience = 'systemd.default_device_timeout_sec=900 no_timer_check';
  setGrubOptions(disk, {
    ...{ kairos_timeout: '0', extra_cmdline: `${patience} ${quickCommandLine}`, next_entry: 'statereset' },
  });
  accelerator = await guestAccelerator();
  // With the node's own boot loader, which stays as it is then.
  const bootloader = readFileSync(await slotFile('debian13', 'bootloader.tar'));
  small = {
    registry: await writeImage(folder, 'v3.0.0', { bootloader }),
    carrier: await writeImage(folder, 'v4.0.0', { bootloader }),
  };
  await registry.push(small.registry.layout, 'kairos/small:v3');
  mkdirSync(join(folder, 'carrier'));
  run('tar', '-C', small.carrier.layout, '-cf', join(folder, 'carrier/small.tar'), '.');
  run('mke2fs', '-q', '-t', 'ext4', '-L', 'CARRIER', '-d', join(folder, 'carrier'), carrier, '32M');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const boot = (name: string, more: Partial<MachineOptions> = {}) =>
  Machine.start({ name: `reset-${name}`, accelerator, disks: [{ path: disk }], ssh: true, ...more });

/**
 * Digests of the files that `image.json` names, as sha256sum prints them, sorted by name. Itself it has another form in a
 * registry.
 */
const sums = ({ files }: SyntheticImage) =>
  [...files]
    .filter(([name]) => name !== 'image.json')
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, bytes]) => `${createHash('sha256').update(bytes).digest('hex')}  ${name}`)
    .join('\n');
const slow = { timeout: 900_000 };

test('a node is reset by its boot entry, through a power cut; then recovery is used by hand', async () => {
  {
    await using machine = boot('begin');
    const shell = machine.console;
    // The active system is new by then, the fallback is not, and the partition is made anew.
    await shell.waitFor(/make ext4 with the label COS_PERSISTENT/, slow);
    await shell.waitFor(/exchange \S+\/transition and \S+\/active/, slow);
    await shell.waitFor(/copying/, slow);
    await machine.cutPower();
  }
  {
    await using machine = boot('resume');
    const shell = machine.console;
    await shell.waitFor(/a reset that was cut off goes on/, slow);
    await shell.waitFor(/Reset completed: the node starts/, slow);
    expect(shell.text).not.toContain('make ext4 with the label');
    await shell.waitFor(/Linux version/, slow);
    await loginAsRoot(shell, slow);
    const state = await readState(shell);
    expect([state.boot, state.reset?.status]).toEqual(['active_boot', 'done']);
    expect(state.slots.active?.digest).toMatch(/^sha256:/);
    expect(state.slots.passive?.digest).toBe(state.slots.active?.digest);
    expect(state.slots.active?.name).toContain('kairos');
    expect(await shell.ok('ls /usr/local/secret || true')).toContain('No such file');
    expect(await shell.ok('cat /oem/kept')).toBe('kept');
    expect(await shell.ok('grep last-reset: /usr/local/.kairos-state')).toMatch(/last-reset: 20/);
    const refused = await shell.run('kairos-agent reset');
    expect([refused.code, refused.output]).toEqual([
      19,
      expect.stringContaining('bootentry --select statereset'),
    ]);
  }
  // Superblocks, labels and the first files: nothing that GRUB or Linux could read.
  new OfflinePartition(disk, 'state').overwrite(300 * MiB);
  {
    await using machine = boot('lost', {
      disks: [{ path: disk }, { path: carrier, readOnly: true }],
      server: registry.address,
    });
    const shell = machine.console;
    await loginAsRoot(shell, slow);
    expect(await shell.ok('kairos-agent state get boot')).toBe('recovery_boot');
    // Like a person far away: with the key that the cloud-config on OEM gives.
    const ssh = (command: string) =>
      run(
        ...['ssh', '-i', key, '-p', String(machine.sshPort), '-o', 'StrictHostKeyChecking=no'],
        ...['-o', 'UserKnownHostsFile=/dev/null', '-o', 'BatchMode=yes', '-o', 'ConnectTimeout=60'],
        ...[`${testUser.name}@127.0.0.1`, command],
      );
    const plan = ssh('sudo kairos-agent reset --dry-run');
    expect(plan).toContain('The file system of COS_STATE is made anew');
    expect((await shell.run('kairos-agent recovery')).output).toContain('needs a plug-in');
    expect(await shell.ok('kairos-agent reset --yes 2>&1', slow)).toContain('Reset completed');
    expect(await shell.ok('kairos-agent reset --status')).toContain('was done at');
    // The system is replaced from a registry, from a file, and from recovery's own image; what is there stays passive.
    const upgrade = async (source: string) => {
      const command = `kairos-agent upgrade --source ${source} --allow-insecure-registries --json 2>/run/upgrade`;
      const { upgraded, plan } = JSON.parse(await shell.ok(command, slow));
      return { upgraded, slot: plan.slot, version: plan.image.version, fallback: plan.fallback };
    };
    const onDisk = () =>
      shell.ok(
        'mount -o ro LABEL=COS_STATE /mnt && (cd /mnt/cOS/active && LC_ALL=C sha256sum * | grep -v image.json); umount /mnt',
        slow,
      );
    const replaced = { upgraded: true, slot: 'active', fallback: 'kairos-core-debian-13 v0.0.0' };
    expect(await upgrade('oci:10.0.2.100:5000/kairos/small:v3')).toEqual({ ...replaced, version: 'v3.0.0' });
    expect(await onDisk()).toBe(sums(small.registry));
    await shell.ok('mkdir -p /run/carrier && mount -o ro LABEL=CARRIER /run/carrier');
    expect(await upgrade('ocifile:/run/carrier/small.tar')).toEqual({ ...replaced, version: 'v4.0.0' });
    expect(await onDisk()).toBe(sums(small.carrier));
    expect(await upgrade('recovery:')).toEqual({ ...replaced, version: 'v0.0.0' });
    shell.send('systemctl reboot --force\n');
    await shell.waitFor(/Linux version/, slow);
    await loginAsRoot(shell, slow);
    expect(await shell.ok('kairos-agent state get boot')).toBe('active_boot');
  }
});
