import { afterAll, expect, test } from 'bun:test';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { guestAccelerator, isoOf, work } from '../src/images.ts';
import { expectAfterReboot, expectHealthyState, expectImmutable } from '../src/immutability.ts';
import { emptyDisk, installUnattended, loginAsRoot, unattendedConfig } from '../src/scenario.ts';

const disk = join(work, 'debian13-uefi.raw');
afterAll(() => rmSync(disk, { force: true }));

test('Debian 13 installs itself from the ISO and runs immutable, on UEFI', async () => {
  await using machine = await installUnattended({
    name: 'debian13-uefi',
    accelerator: await guestAccelerator(),
    firmware: 'uefi',
    cdrom: await isoOf('debian13', 'unattended', unattendedConfig()),
    disks: [{ path: await emptyDisk(disk, 10) }],
  });
  const shell = machine.console;
  await loginAsRoot(shell, { timeout: 600_000 });
  expect(await shell.ok('[ -d /sys/firmware/efi ] && echo uefi || echo bios')).toBe('uefi');
  await expectHealthyState(shell);
  await expectImmutable(shell);
  for (const _ of [1, 2]) {
    shell.send('systemctl reboot\n');
    await shell.waitFor(/Linux version/, { timeout: 300_000 });
    await loginAsRoot(shell, { timeout: 600_000 });
    await expectAfterReboot(shell);
  }
  await expectHealthyState(shell);
  shell.send('systemctl poweroff\n');
  await machine.ended();
});
