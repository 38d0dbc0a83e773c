import { afterAll, expect, test } from 'bun:test';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { SerialConsole } from './console.ts';
import { guestAccelerator, type ImageName, isoOf, work } from './images.ts';
import { expectAfterReboot, expectHealthyState, expectImmutable } from './immutability.ts';
import type { MachineOptions } from './qemu.ts';
import {
  emptyDisk,
  installUnattended,
  loginAsRoot,
  quickMedium,
  quickStart,
  unattendedConfig,
} from './scenario.ts';

/** What differs between images that install themselves. */
export interface UnattendedScenario extends Pick<MachineOptions, 'firmware'> {
  readonly image: ImageName;
  /** Tells the machine and its disk from those of other tests. */
  readonly name: string;
  /** Shows that the installed system is the one that is meant. */
  readonly isMeant: (shell: SerialConsole) => Promise<void>;
  /** How often the installed system restarts, and is to be the same node with the same data. Default: never. */
  readonly restarts?: number;
  /** The boot loader's menu waits, and every unit is started, as on any node. Default: {@link quickStart}. */
  readonly complete?: boolean;
  /** Switches the machine off at the end, as its init system wants it. Default: its plug is pulled. */
  readonly powerOff?: string;
}

/** Shows by which firmware the system was started, and whether that let everything start. */
export const startedBy = (firmware: 'bios' | 'uefi-secure') => async (shell: SerialConsole) => {
  expect(await shell.ok('[ -d /sys/firmware/efi ] && echo uefi || echo bios')).toBe(firmware.slice(0, 4));
  const secure = firmware === 'uefi-secure';
  expect(await shell.ok('kairos-agent state get kairos.secureboot')).toBe(String(secure));
  expect(await shell.ok('cat /sys/kernel/security/lockdown')).toContain(secure ? '[integrity]' : '[none]');
};

/** A test in which an image installs itself from its ISO, and the installed system runs immutable and healthy. */
export function testUnattended(title: string, scenario: UnattendedScenario): void {
  const { image, name, firmware, isMeant, restarts = 0, powerOff } = scenario;
  const config = unattendedConfig(scenario.complete ? {} : quickStart);
  const disk = join(work, `${name}.raw`);
  afterAll(() => rmSync(disk, { force: true }));

  test(title, async () => {
    await using machine = await installUnattended({
      name,
      accelerator: await guestAccelerator(),
      ...(firmware === undefined ? {} : { firmware }),
      cdrom: scenario.complete
        ? await isoOf(image, 'complete', config)
        : await isoOf(image, 'unattended', config, [...quickMedium, '--menu-timeout', '0']),
      disks: [{ path: await emptyDisk(disk, 10) }],
    });
    const shell = machine.console;
    await loginAsRoot(shell, { timeout: 600_000 });
    await isMeant(shell);
    await expectHealthyState(shell);
    await expectImmutable(shell);
    for (let restart = 0; restart < restarts; restart++) {
      shell.send('systemctl reboot\n');
      await shell.waitFor(/Linux version/, { timeout: 300_000 });
      await loginAsRoot(shell, { timeout: 600_000 });
      await expectAfterReboot(shell);
    }
    if (restarts > 0) await expectHealthyState(shell);
    if (powerOff === undefined) return;
    shell.send(`${powerOff}\n`);
    await machine.ended();
  });
}
