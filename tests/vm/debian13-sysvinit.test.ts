import { afterAll, expect, test } from 'bun:test';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { guestAccelerator, isoOf, work } from '../src/images.ts';
import { expectHealthyState, expectImmutable } from '../src/immutability.ts';
import { emptyDisk, installUnattended, loginAsRoot, unattendedConfig } from '../src/scenario.ts';

const disk = join(work, 'debian13-sysvinit.raw');
afterAll(() => rmSync(disk, { force: true }));

test('Debian 13 with sysvinit installs itself from the ISO and runs immutable', async () => {
  await using machine = await installUnattended({
    name: 'debian13-sysvinit',
    accelerator: await guestAccelerator(),
    cdrom: await isoOf('debian13-sysvinit', 'unattended', unattendedConfig()),
    disks: [{ path: await emptyDisk(disk, 10) }],
  });
  const shell = machine.console;
  await loginAsRoot(shell, { timeout: 600_000 });
  expect(await shell.ok('cat /proc/1/comm')).toBe('init');
  await expectHealthyState(shell);
  await expectImmutable(shell);
  shell.send('poweroff\n');
  await machine.ended();
});
