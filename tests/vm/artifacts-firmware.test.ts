import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildIso } from '@kairos/artifacts/iso';
import { buildRaw } from '@kairos/artifacts/raw';
import { machineHost } from '@kairos/host/machine';
import { bootFormFromDirectory } from '@kairos/oci/boot-form-directory';
import { guestAccelerator } from '../src/images.ts';
import { Machine } from '../src/qemu.ts';
import { writeTinySlot } from '../src/tiny-image.ts';

const work = mkdtempSync(join(tmpdir(), 'firmware-'));
const iso = join(work, 'tiny.iso');
const raw = join(work, 'tiny.raw');

beforeAll(async () => {
  const slot = join(work, 'slot');
  writeTinySlot(slot);
  const options = { bootForm: bootFormFromDirectory(slot), epoch: 1_700_000_000 };
  await buildIso(machineHost(), { ...options, output: iso });
  await buildRaw(machineHost(), { ...options, output: raw });
}, 120_000);
afterAll(() => rmSync(work, { recursive: true, force: true }));

/** From firmware to GRUB's menu, with the kernel's file found on the medium: what is left is the kernel's business. */
test.each([
  ['bios', 'ISO as CD', { cdrom: iso }, 'LIVE', 'pc'],
  ['bios', 'ISO as disk', { disks: [{ path: iso, snapshot: true }] }, 'LIVE', 'pc'],
  ['bios', 'raw', { disks: [{ path: raw, snapshot: true }] }, 'DISK', 'pc'],
  ['uefi', 'ISO as CD', { cdrom: iso }, 'LIVE', 'efi'],
  ['uefi', 'ISO as USB stick', { disks: [{ path: iso, interface: 'usb', snapshot: true }] }, 'LIVE', 'efi'],
  ['uefi', 'raw', { disks: [{ path: raw, snapshot: true }] }, 'DISK', 'efi'],
] as const)(
  '%s starts GRUB from %s',
  async (firmware, medium, devices, menu, platform) => {
    await using machine = Machine.start({
      name: `firmware-${firmware}-${medium.replaceAll(' ', '-')}`,
      accelerator: await guestAccelerator(),
      firmware,
      memory: 512,
      ...devices,
    });
    await machine.console.waitFor(new RegExp(`${menu}-SLOT-FOUND`));
    await machine.console.waitFor(new RegExp(`${menu}-STARTED-ON-${platform}\\b`));
    await machine.console.waitFor(new RegExp(`${menu} entry`));
    expect(machine.console.text).not.toContain('error:');
  },
  200_000,
);
