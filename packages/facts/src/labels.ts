/** File system labels of the partitions. People's scripts mount by these names. */
export const labels = {
  esp: 'COS_GRUB',
  oem: 'COS_OEM',
  recovery: 'COS_RECOVERY',
  state: 'COS_STATE',
  persistent: 'COS_PERSISTENT',
  live: 'COS_LIVE',
} as const;

/** GPT partition names, in the order in which an installation lays them out. */
export const partitionNames = {
  bios: 'bios',
  esp: 'efi',
  oem: 'oem',
  recovery: 'recovery',
  state: 'state',
  persistent: 'persistent',
} as const;

/** Labels that name a system on the kernel's command line (`root=LABEL=COS_ACTIVE`). */
export const systemLabels = {
  active: 'COS_ACTIVE',
  passive: 'COS_PASSIVE',
  recovery: 'COS_SYSTEM',
} as const;
