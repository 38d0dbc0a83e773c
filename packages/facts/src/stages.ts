/** Stages of a boot, in order. Each also has `.before` and `.after`. */
export const bootStages = ['rootfs', 'initramfs', 'fs', 'boot', 'network', 'reconcile'] as const;

/** Stages around an installation, an upgrade and a reset. */
export const operationStages = [
  'kairos-install.pre',
  'before-install',
  'after-install-chroot',
  'after-install',
  'kairos-install.after',
  'kairos-upgrade.pre',
  'before-upgrade',
  'after-upgrade-chroot',
  'after-upgrade',
  'kairos-upgrade.after',
  'before-reset',
  'after-reset-chroot',
  'after-reset',
  'kairos-uki-install.pre',
  'kairos-uki-install.after',
  'kairos-uki-upgrade.pre',
  'kairos-uki-upgrade.after',
  'kairos-uki-reset.pre',
  'kairos-uki-reset.after',
  'first-boot',
] as const;

export type BootStage = (typeof bootStages)[number];
