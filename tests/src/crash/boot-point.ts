import { rmSync } from 'node:fs';
import type { Accelerator } from '../accelerator.ts';
import { Machine } from '../qemu.ts';
import { bootedLine } from './crash-image.ts';

/** What came up from a disk: the version that its root has, and the slot. */
export interface Booted {
  readonly version: string;
  readonly slot: string;
  /** dm-verity checks what is read. */
  readonly verified: boolean;
  /** Kernels that were started until then. */
  readonly starts: number;
}

/**
 * Starts a machine from a disk, through firmware and GRUB, until a system says what it is. The file is changed.
 * @throws Error with the end of the console, where nothing comes up
 */
export async function bootDisk(
  path: string,
  name: string,
  accelerator: Accelerator,
  firmware: 'bios' | 'uefi' = 'bios',
): Promise<Booted> {
  await using machine = Machine.start({
    ...{ name, accelerator, firmware, memory: 768, processors: 1 },
    disks: [{ path }],
  });
  const [, version = '', slot = '', root = ''] = await machine.console.waitFor(bootedLine, {
    timeout: 240_000,
  });
  const starts = 1 + (machine.console.text.match(/kairos-initrd: CANNOT BOOT/g)?.length ?? 0);
  return { version, slot, verified: root === '/dev/mapper/kairos-root', starts };
}

/** Boots a disk and removes its file. */
export async function bootOnce(...given: Parameters<typeof bootDisk>): Promise<Booted> {
  try {
    return await bootDisk(...given);
  } finally {
    rmSync(given[0], { force: true });
  }
}
