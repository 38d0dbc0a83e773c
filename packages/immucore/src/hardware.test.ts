import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { directoryHost } from '@kairos/host/directory';
import { hardwareOf, hasOwnSteps, shippedStageFiles } from './hardware.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hardware-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A machine with two devices of one kind, one of another, and one that says nothing. */
function machine(code = 0) {
  const host = directoryHost(folder, { run: () => ({ code, stderr: 'modprobe says no' }) });
  for (const [path, text] of [
    ['pci/devices/0000:00:01.0', 'DRIVER=\nMODALIAS=pci:v1\n'],
    ['pci/devices/0000:00:02.0', 'MODALIAS=pci:v1\n'],
    ['usb/devices/1-1', 'MODALIAS=usb:v2\n'],
    ['cpu/devices/cpu0', 'DRIVER=processor\n'],
  ] as const) {
    host.files.write(`/sys/bus/${path}/uevent`, text);
  }
  return host;
}

const noteNothing = (problem: string) => {
  throw new Error(problem);
};

describe('modules of all devices', () => {
  test('are loaded once, in one process, and those of devices that these drivers find after them', async () => {
    const host = machine(1);
    const load = hardwareOf(host, noteNothing);
    expect([await load('missing'), await load('own-steps')]).toEqual([undefined, undefined]);
    host.files.write('/sys/bus/scsi/devices/0:0:0:0/uevent', 'MODALIAS=scsi:t-0x00\n');
    expect([await load('missing'), await load('missing')]).toEqual([undefined, undefined]);
    expect(host.commands).toEqual([
      ['modprobe', '-a', '-b', '-q', 'pci:v1', 'usb:v2'],
      ['modprobe', '-a', '-b', '-q', 'scsi:t-0x00'],
    ]);
  });

  test.each([
    ['/run/initramfs/hardware', 'own-steps', 0],
    // What is missing may have come after the initrd had looked.
    ['/run/initramfs/hardware', 'missing', 1],
    ['/run/udev/control', 'own-steps', 0],
    ['/run/udev/control', 'missing', 0],
  ] as const)('with %s, for %s: %d processes', async (path, why, processes) => {
    const host = machine();
    host.files.write(path, '');
    expect(await hardwareOf(host, noteNothing)(why)).toBeUndefined();
    expect(host.commands).toHaveLength(processes);
  });

  test('that cannot be loaded are told', async () => {
    const noted: string[] = [];
    const load = hardwareOf(machine(127), (problem) => noted.push(problem));
    const told = [await load('missing'), await load('own-steps')];
    expect(told[0]).toStartWith('not all devices have their drivers: modprobe');
    expect([told[1], noted]).toEqual([told[0], [told[0] ?? '']]);
  });
});

describe('own steps', () => {
  test.each([
    ['/oem/90_custom.yaml', 'stages: { initramfs: [] }', true],
    ['/oem/deeper/a.yml', '"initramfs.after"', true],
    ['/usr/local/cloud-config/a.yaml', 'initramfs', true],
    ['/system/oem/99_own.yaml', 'initramfs', true],
    ['/system/oem/00_rootfs.yaml', 'initramfs', false],
    ['/oem/90_custom.yaml', 'stages: { boot: [] }', false],
    ['/oem/notes.txt', 'initramfs', false],
    ['/proc/cmdline', 'stages.initramfs[0].name=x', true],
    ['/proc/cmdline', 'quiet initrd=\\initramfs.img', false],
  ])('%s: %s', (path, text, own) => {
    const host = machine();
    host.files.write(path, text);
    expect([hasOwnSteps(host, 'initramfs'), hasOwnSteps(host, 'initramfs.before')]).toEqual([own, own]);
  });

  test('what is called shipped is what an image gets', () => {
    expect(readdirSync(join(import.meta.dir, '../../../system/oem')).sort()).toEqual(
      [...shippedStageFiles].sort(),
    );
  });
});
