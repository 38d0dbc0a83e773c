import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { closeSync, mkdtempSync, openSync, readSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BootloaderPayload, readBootloaderPayload } from '@kairos/artifacts/bootloader-payload';
import { buildRaw } from '@kairos/artifacts/raw';
import { machineHost } from '@kairos/host/machine';
import { bootFormFromDirectory } from '@kairos/oci/boot-form-directory';
import { BlockDisk } from '../src/crash/block-disk.ts';
import { examine, judge } from '../src/crash/boot-check.ts';
import { Ext4View } from '../src/crash/ext4-view.ts';
import { readPartitionTable } from '../src/crash/gpt.ts';
import { writeSyntheticBootForm } from '../src/synthetic-boot-form.ts';

setDefaultTimeout(300_000);

const work = mkdtempSync(join(tmpdir(), 'crash-check-'));
let disk: BlockDisk;
let payloads: BootloaderPayload[];
let files: Map<string, Buffer>;

function load(path: string): BlockDisk {
  const loaded = new BlockDisk(statSync(path).size);
  const descriptor = openSync(path, 'r');
  const size = 1024 * 1024;
  try {
    for (let offset = 0; offset < loaded.size; offset += size) {
      const piece = Buffer.alloc(size);
      const length = readSync(descriptor, piece, 0, size, offset);
      if (piece.some((byte) => byte !== 0)) loaded.write(offset, piece.subarray(0, length));
    }
  } finally {
    closeSync(descriptor);
  }
  return loaded;
}

/** A disk that boots, as the project makes it. */
beforeAll(async () => {
  files = await writeSyntheticBootForm(join(work, 'image'), { version: 'v1' });
  const bootForm = bootFormFromDirectory(join(work, 'image/slot'));
  payloads = [await readBootloaderPayload(bootForm)];
  const { path } = await buildRaw(machineHost(), { bootForm, output: join(work, 'disk.raw'), epoch: 0 });
  disk = load(path);
});
afterAll(() => rmSync(work, { recursive: true, force: true }));

const start = (name: string) => readPartitionTable(disk)?.find((one) => one.name === name)?.start ?? 0;

/** Where a file's first block is. */
function placeOf(partition: string, path: string): number {
  const view = new Ext4View(disk, start(partition));
  const inode = view.lookup(path);
  if (!inode) throw new Error(`no ${path}`);
  return view.blockOffsets(inode)[0] ?? 0;
}

/** Where bytes are in a partition. */
function find(partition: string, bytes: Uint8Array): number {
  const from = start(partition);
  const at = Buffer.from(disk.read(from, 16 * 1024 * 1024)).indexOf(bytes.subarray(0, 512));
  if (at < 0) throw new Error(`the bytes are not in ${partition}`);
  return from + at;
}

const flipped = (at: number) => {
  const copy = disk.overlay();
  const sector = new Uint8Array(disk.read(at - (at % 512), 512));
  sector[at % 512] = (sector[at % 512] ?? 0) ^ 0xff;
  copy.write(at - (at % 512), sector);
  return copy;
};
const verdict = (of: BlockDisk, installing = false) => judge(of, examine(of, payloads), payloads, installing);
const both = (loss: string) => [`GRUB: ${loss}`, `Linux: ${loss}`];
const loader = () => payloads[0]?.efi?.files.get('bootx64.efi') ?? Buffer.alloc(0);

test('a disk that boots has lost nothing', () => {
  expect(verdict(disk)).toMatchObject({
    ...{ losses: [], notInstalled: false, secondStart: false },
    boots: { slot: 'active', version: 'v1' },
  });
});

test.each<[string, () => number, string[]]>([
  [
    'root.img of active',
    () => placeOf('state', '/cOS/active/root.img'),
    both('active: root.img has another digest'),
  ],
  [
    'the kernel of passive',
    () => placeOf('state', '/cOS/passive/vmlinuz'),
    both('passive: vmlinuz has another digest'),
  ],
  [
    'the initrd of recovery',
    () => placeOf('recovery', '/cOS/recovery/initrd'),
    both('recovery: initrd has another digest'),
  ],
  ['the menu', () => placeOf('state', '/grub2/grub.cfg'), both('grub.cfg is not whole')],
  [
    'an environment block',
    () => placeOf('oem', '/grubenv'),
    both('/grubenv: /grubenv is not a GRUB environment block: the header line is missing'),
  ],
  ['core.img', () => start('bios') + 10_000, ['BIOS: the boot sector starts a core.img that is not whole']],
  ['the boot sector', () => 20, ['BIOS: the boot sector is none of ours']],
  ['the loader for UEFI', () => find('efi', loader()) + 100, ['UEFI: EFI/BOOT/BOOTX64.EFI is not whole']],
])('a flipped byte in %s', (_, place, losses) => {
  expect(verdict(flipped(place())).losses).toEqual(losses);
});

test('one copy of the partition table is enough, and none is a loss', () => {
  expect(verdict(flipped(512 + 40)).losses).toEqual([]);
  const copy = flipped(512 + 40);
  copy.write(disk.size - 512, new Uint8Array(512));
  expect(verdict(copy).losses).toContain('GRUB: there is no partition table');
});

test('while it is being installed, a disk may start nothing, but not something that is not whole', () => {
  const nothing = disk.overlay();
  nothing.write(0, new Uint8Array(440));
  const place = find('efi', Buffer.from('BOOTX64 EFI'));
  nothing.write(place, Uint8Array.of(0xe5));
  expect(verdict(nothing, true)).toMatchObject({ losses: [], notInstalled: true });
  expect(verdict(nothing).losses).toEqual(['BIOS: absent', 'UEFI: absent']);
  const half = flipped(placeOf('recovery', '/cOS/recovery/initrd'));
  expect(verdict(half, true).losses).toEqual(both('recovery: initrd has another digest'));
  expect(files.size).toBe(7);
});
