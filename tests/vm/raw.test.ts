import { afterAll, beforeAll, beforeEach, expect, test } from 'bun:test';
import { closeSync, openSync, readFileSync, readSync, rmSync, truncateSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { SerialConsole } from '../src/console.ts';
import { writeTree } from '../src/extension-images.ts';
import { guestAccelerator, imageLayout, kairos, slotFile, work } from '../src/images.ts';
import { expectHealthyState } from '../src/immutability.ts';
import { Machine, type MachineDisk } from '../src/qemu.ts';
import { run } from '../src/run-tool.ts';
import { loginAsRoot, quickStart, setGrubOptions, testUser } from '../src/scenario.ts';

const disk = join(work, 'raw.raw');
const config = join(work, 'raw.yaml');
/** A volume that the node is told to mount, on a stick that is not always there. */
const stick = join(work, 'raw-stick.img');

beforeAll(async () => {
  await Bun.write(
    config,
    `#cloud-config\nusers:\n  - name: ${testUser.name}\n    passwd: ${testUser.password}\n    groups: [admin]\n`,
  );
  await kairos('build', 'raw', await imageLayout('debian13'), '--output', disk, '--cloud-config', config);
  const tree = writeTree(join(work, 'raw-extra'), { 'from-the-stick': 'hello\n' });
  run('mke2fs', '-q', '-t', 'ext4', '-L', 'EXTRA', '-d', tree, stick, '16M');
});
beforeEach(() => setGrubOptions(disk, quickStart));
afterAll(() => {
  for (const path of [disk, stick, join(work, 'raw-extra')]) rmSync(path, { recursive: true, force: true });
});

/** Starts the disk, grown, and logs in. */
async function start(firmware: 'bios' | 'uefi', more: readonly MachineDisk[] = []): Promise<Machine> {
  truncateSync(disk, 12 * 1024 ** 3);
  const machine = Machine.start({
    name: `raw-${firmware}`,
    accelerator: await guestAccelerator(),
    firmware,
    disks: [{ path: disk, snapshot: true }, ...more],
  });
  try {
    await loginAsRoot(machine.console, { timeout: 600_000 });
    return machine;
  } catch (error) {
    await machine.stop();
    throw error;
  }
}

async function expectGrown(shell: SerialConsole): Promise<void> {
  await expectHealthyState(shell);
  const kibibytes = Number(await shell.ok('df -k --output=size /usr/local | tail -n 1'));
  expect(kibibytes).toBeGreaterThan(4 * 1024 * 1024);
}

test('a raw disk boots straight on UEFI and grows its persistent partition', async () => {
  await using machine = await start('uefi');
  await expectGrown(machine.console);
});

test('the same on BIOS, with a volume on a device whose driver the initrd leaves to the init', async () => {
  setGrubOptions(disk, {
    ...quickStart,
    extra_cmdline: `${quickStart.extra_cmdline} rd.cos.mount=LABEL=EXTRA:/var/extra`,
  });
  await using machine = await start('bios', [{ path: stick, interface: 'usb', readOnly: true }]);
  const { console: shell } = machine;
  // immucore missed the volume and loaded the driver, before there was a udev to do so.
  const [before = ''] = shell.text.split('kairos-initrd: switching root');
  expect(before).toContain('usbcore: registered new interface driver usb-storage');
  expect(await shell.ok('cat /var/extra/from-the-stick')).toBe('hello');
  await expectGrown(shell);
});

/** Where a block stands in a disk image: once in each slot. */
function blockOffsets(image: string, block: Uint8Array): number[] {
  const descriptor = openSync(image, 'r');
  const chunk = Buffer.alloc(16 * 1024 * 1024);
  const found: number[] = [];
  try {
    for (let offset = 0; ; offset += chunk.length) {
      const length = readSync(descriptor, chunk, 0, chunk.length, offset);
      if (length === 0) return found;
      for (let at = 0; at < length; at += 4096) {
        if (chunk.subarray(at, at + block.length).equals(block)) found.push(offset + at);
      }
    }
  } finally {
    closeSync(descriptor);
  }
}

test('a flipped byte in root.img is an error, not data', async () => {
  const root = readFileSync(await slotFile('debian13', 'root.img'));
  // A block in the middle of the file system, with content of its own.
  let start = 4096 * Math.floor(root.length / 8192 / 2);
  while (root.subarray(start, start + 4096).every((byte) => byte === 0)) start += 4096;
  const offsets = blockOffsets(disk, root.subarray(start, start + 4096));
  // Recovery, active and passive.
  expect(offsets.length).toBe(3);
  const damaged = join(work, 'raw-damaged.raw');
  await Bun.spawn(['cp', '--sparse=always', disk, damaged]).exited;
  try {
    const descriptor = openSync(damaged, 'r+');
    for (const offset of offsets) {
      writeSync(descriptor, Uint8Array.of((root[start + 100] ?? 0) ^ 0xff), 0, 1, offset + 100);
    }
    closeSync(descriptor);
    await using machine = Machine.start({
      name: 'raw-damaged',
      accelerator: await guestAccelerator(),
      disks: [{ path: damaged, snapshot: true }],
    });
    const shell = machine.console;
    await loginAsRoot(shell, { timeout: 600_000 });
    const active = await shell.run(
      `dd if=/run/initramfs/cos-state/cOS/active/root.img of=/dev/null bs=4096 count=1 skip=${start / 4096}`,
    );
    const verified = await shell.run(
      `dd if=/dev/mapper/kairos-root of=/dev/null iflag=direct bs=4096 count=1 skip=${start / 4096}`,
    );
    expect(active.code).toBe(0);
    expect([verified.code, /Input\/output error/.test(verified.output)]).toEqual([1, true]);
    expect(await shell.ok('dmesg | grep -c "metadata block\\|data block.*is corrupted"')).not.toBe('0');
  } finally {
    rmSync(damaged, { force: true });
  }
});
