import { afterAll, expect, test } from 'bun:test';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { guestAccelerator, isoOf, work } from '../src/images.ts';
import { expectHealthyState, expectImmutable } from '../src/immutability.ts';
import { emptyDisk, installUnattended, loginAsRoot, unattendedConfig } from '../src/scenario.ts';

const disk = join(work, 'debian12-bios.raw');
afterAll(() => rmSync(disk, { force: true }));

test('Debian 12 installs itself from the ISO and runs immutable, on BIOS', async () => {
  await using machine = await installUnattended({
    name: 'debian12-bios',
    accelerator: await guestAccelerator(),
    firmware: 'bios',
    cdrom: await isoOf('debian12', 'unattended', unattendedConfig()),
    disks: [{ path: await emptyDisk(disk, 10) }],
  });
  const shell = machine.console;
  await loginAsRoot(shell, { timeout: 600_000 });
  expect(await shell.ok('[ -d /sys/firmware/efi ] && echo uefi || echo bios')).toBe('bios');
  await expectHealthyState(shell);
  await expectImmutable(shell);
  shell.send('systemctl poweroff\n');
  await machine.ended();
});
