/** Where the partitions are mounted while the agent works. */
export const workMounts = {
  efi: '/run/cos/efi',
  oem: '/run/cos/oem',
  recovery: '/run/cos/recovery',
  state: '/run/cos/state',
  persistent: '/run/cos/persistent',
} as const;
