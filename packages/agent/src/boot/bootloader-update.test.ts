import { expect, test } from 'bun:test';
import { embedGrub } from '@kairos/artifacts/boot-sector';
import type { BootloaderPayload } from '@kairos/artifacts/bootloader-payload';
import { efiSystemFiles, menuStub } from '@kairos/artifacts/bootloader-payload';
import { MiB } from '@kairos/facts/size';
import { type InstalledBootloader, planBootloaderUpdate } from './bootloader-update.ts';

/** Images with the fields that GRUB's have. */
function grub(fill: number, size = 30_000) {
  const bootImage = new Uint8Array(512).fill(0x11);
  bootImage.set([0x00, 0x80, 1, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfa, 0xeb, 0x05], 0x5a);
  bootImage.set([0x55, 0xaa], 510);
  const coreImage = new Uint8Array(size).fill(fill);
  coreImage.set([2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x20, 0x08], 0x1f4);
  return { bootImage, coreImage, eltoritoImage: bootImage, hybridImage: bootImage };
}
const bytes = (text: string) => new TextEncoder().encode(text);
const efi = (version: string) => ({
  loaderName: 'bootx64.efi',
  files: new Map([
    ['bootx64.efi', bytes(`shim ${version}`)],
    ['grubx64.efi', bytes(`grub ${version}`)],
  ]),
  vendor: 'debian',
});
const payload = (more: Partial<BootloaderPayload>): BootloaderPayload => ({
  ...{ bios: undefined, efi: undefined, diskConfig: bytes('menu'), liveConfig: bytes('') },
  ...more,
});
const startSector = 2048;

/** A disk with a GRUB in one of the two places. */
function disk(images: ReturnType<typeof grub>, offset = 0) {
  const { mbrCode, core } = embedGrub({ ...images, coreStartSector: startSector + offset / 512 });
  const mbr = new Uint8Array(512);
  mbr.set(mbrCode);
  const content = new Uint8Array(MiB);
  content.set(core, offset);
  return { disk: '/dev/vda', partition: '/dev/vda1', startSector, mbr, content };
}
const installed = (more: Partial<InstalledBootloader>): InstalledBootloader => ({
  ...{ state: '/s', menu: bytes('menu'), bios: undefined, efi: undefined },
  ...more,
});

test.each([0, MiB / 2])('what is there already, at %d, stays', (offset) => {
  const images = grub(1);
  const update = planBootloaderUpdate(payload({ bios: images }), installed({ bios: disk(images, offset) }));
  expect(update).toEqual({ steps: [], notes: [] });
});

test.each([
  [0, MiB / 2],
  [MiB / 2, 0],
])('a new core.img goes beside the one at %d, to %d, and then the boot sector points to it', (from, to) => {
  const { steps } = planBootloaderUpdate(
    payload({ bios: grub(2) }),
    installed({ bios: disk(grub(1), from) }),
  );
  const { core, mbrCode } = embedGrub({ ...grub(2), coreStartSector: startSector + to / 512 });
  expect(steps).toEqual([
    { kind: 'write-device', device: '/dev/vda1', offset: to, content: core },
    { kind: 'write-device', device: '/dev/vda', offset: 0, content: mbrCode },
  ]);
});

test.each<[string, ReturnType<typeof grub>, ReturnType<typeof disk>, string]>([
  [
    'is too large for half the partition',
    grub(2, MiB / 2 + 1),
    disk(grub(1)),
    'does not fit beside the old one',
  ],
  [
    'would replace someone else’s',
    grub(2),
    { ...disk(grub(1)), mbr: new Uint8Array(512) },
    'does not start the GRUB',
  ],
  [
    'is not GRUB',
    { ...grub(2), coreImage: new Uint8Array(2000) },
    disk(grub(1)),
    'does not begin with the disk loader',
  ],
])('a core.img that %s stays out, with a note', (_, images, bios, note) => {
  const update = planBootloaderUpdate(payload({ bios: images }), installed({ bios }));
  expect(update.steps).toEqual([]);
  expect(update.notes[0]).toContain(note);
});

test('the menu and the files for UEFI are written where they differ, shim last', () => {
  const there = efiSystemFiles(efi('1'), menuStub('disk'));
  const read = (path: string) => there.get(path);
  const update = planBootloaderUpdate(
    payload({ efi: efi('2'), diskConfig: bytes('new menu') }),
    installed({ efi: { mountPoint: '/e', free: 100, read } }),
  );
  expect(update).toEqual({
    notes: [],
    steps: [
      { kind: 'write-file', path: '/s/grub2/grub.cfg', mode: 0o644, content: bytes('new menu') },
      { kind: 'replace-on-fat', path: '/e/EFI/BOOT/grubx64.efi', content: bytes('grub 2') },
      { kind: 'replace-on-fat', path: '/e/EFI/BOOT/BOOTX64.EFI', content: bytes('shim 2') },
    ],
  });
  const full = planBootloaderUpdate(
    payload({ efi: efi('2') }),
    installed({ efi: { mountPoint: '/e', free: 11, read } }),
  );
  expect(full.steps).toEqual([]);
  expect(full.notes[0]).toContain('needs 12 B on the EFI system partition, which has 11 B left');
});
