import { afterAll, beforeAll, expect, test } from 'bun:test';
import { closeSync, openSync, readFileSync, readSync, rmSync, truncateSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { guestAccelerator, imageLayout, kairos, slotFile, work } from '../src/images.ts';
import { expectHealthyState } from '../src/immutability.ts';
import { Machine } from '../src/qemu.ts';
import { loginAsRoot, quickStart, setGrubOptions, testUser } from '../src/scenario.ts';

const disk = join(work, 'raw.raw');
const config = join(work, 'raw.yaml');

beforeAll(async () => {
  await Bun.write(
    config,
    `#cloud-config\nusers:\n  - name: ${testUser.name}\n    passwd: ${testUser.password}\n    groups: [admin]\n`,
  );
  await kairos('build', 'raw', await imageLayout('debian13'), '--output', disk, '--cloud-config', config);
  setGrubOptions(disk, quickStart);
});
afterAll(() => rmSync(disk, { force: true }));

test.each(['bios', 'uefi'] as const)(
  'a raw disk boots straight on %s and grows its persistent partition',
  async (firmware) => {
    truncateSync(disk, 12 * 1024 ** 3);
    await using machine = Machine.start({
      name: `raw-${firmware}`,
      accelerator: await guestAccelerator(),
      firmware,
      disks: [{ path: disk, snapshot: true }],
    });
    const shell = machine.console;
    await loginAsRoot(shell, { timeout: 600_000 });
    await expectHealthyState(shell);
    const kibibytes = Number(await shell.ok('df -k --output=size /usr/local | tail -n 1'));
    expect(kibibytes).toBeGreaterThan(4 * 1024 * 1024);
  },
);

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
