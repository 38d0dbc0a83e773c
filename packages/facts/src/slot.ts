/** Slots on `COS_STATE`; `recovery` lives on `COS_RECOVERY`, `live` on the installation medium. */
export const slotNames = ['active', 'passive', 'recovery', 'live'] as const;
export type SlotName = (typeof slotNames)[number];

/** The directory that holds a slot, inside its partition. */
export function slotDirectory(slot: SlotName | 'transition'): string {
  return `/cOS/${slot}`;
}

/**
 * Files of a slot and of the boot form of an OS image.
 *
 * - `root.img`: the read-only root file system, the verity tree appended.
 * - `cmdline`: the kernel arguments that belong to the image, one line.
 * - `boot.cfg`: the same for GRUB, which cannot read a line of text into a variable: it sources this file, which
 *   sets `kairos_cmdline`.
 * - `image.json`: what the slot is; see {@link imageManifestSchema}.
 * - `bootloader.tar`: GRUB for BIOS and EFI (and shim), because they must match the signer of the kernel.
 */
export const slotFiles = {
  root: 'root.img',
  kernel: 'vmlinuz',
  initrd: 'initrd',
  cmdline: 'cmdline',
  bootConfig: 'boot.cfg',
  manifest: 'image.json',
  bootloader: 'bootloader.tar',
} as const;
