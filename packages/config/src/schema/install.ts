import { z } from 'zod';
import { count, flag, looseText, mebibytes, sourceUri, text, texts } from './kinds.ts';

export const bundle = z.strictObject({
  targets: texts,
  repository: text,
  rootfs_path: text,
  db_path: text,
  local_file: flag,
});

/** Variables of GRUB's environment that people set. Others pass: GRUB's menu is theirs to extend. */
export const grubOptions = z
  .looseObject({
    extra_cmdline: text,
    extra_active_cmdline: text,
    extra_passive_cmdline: text,
    extra_recovery_cmdline: text,
    default_menu_entry: text,
    default_fallback: text,
    next_entry: text,
    saved_entry: text,
  })
  .nullish();

const image = z
  .strictObject({ source: sourceUri, uri: sourceUri, size: mebibytes, fs: text, label: text })
  .nullish();
const partition = z.strictObject({ size: mebibytes, fs: text }).nullish();

export const install = z
  .strictObject({
    auto: flag.describe('Install without asking'),
    device: z
      .string()
      .regex(/^(auto|\/dev\/.+|script:\/\/.+)?$/, 'expected auto, a path below /dev or script://PATH')
      .nullish()
      .describe('auto, /dev/…, or script://PATH whose output is the device'),
    source: sourceUri,
    reboot: flag,
    poweroff: flag,
    force: flag,
    'no-format': flag,
    nousers: flag,
    ssh_hardening: flag,
    'allow-insecure-registries': flag,
    skip_copy_kcrypt_plugin: flag,
    system: image,
    passive: image,
    'recovery-system': image,
    partitions: z
      .strictObject({
        oem: partition,
        recovery: partition,
        state: partition,
        persistent: partition,
        efi: partition,
        bios: partition,
      })
      .nullish(),
    'extra-partitions': z
      .array(
        z.strictObject({
          name: z.string().min(1),
          size: mebibytes,
          fs: text,
          label: text,
          flags: texts,
        }),
      )
      .nullish(),
    'part-table': z.enum(['gpt']).nullish(),
    firmware: z.enum(['efi', 'bios']).nullish(),
    tty: text,
    'grub-entry-name': text,
    iso: text,
    image: sourceUri,
    'extra-dirs-rootfs': texts,
    bind_mounts: texts,
    ephemeral_mounts: texts,
    encrypted_partitions: texts,
    bundles: z.array(bundle).nullish(),
    grub_options: grubOptions,
    env: z
      .union([
        z.array(z.union([z.string(), z.record(z.string(), looseText)])),
        z.record(z.string(), looseText),
      ])
      .nullish(),
    'cloud-init': text,
    'skip-entries': texts,
  })
  .describe('How the node is installed');

export const upgrade = z
  .strictObject({
    system: image,
    'recovery-system': image,
    recovery: flag,
    entry: text,
    'excluded-paths': texts,
    'grub-entry-name': text,
    reboot: flag,
    poweroff: flag,
    'extra-dirs-rootfs': texts,
    'allow-insecure-registries': flag,
    tries: count,
  })
  .describe('How the node is upgraded');

export const reset = z
  .strictObject({
    system: image,
    passive: image,
    'reset-persistent': flag,
    'reset-oem': flag,
    reboot: flag,
    poweroff: flag,
    'grub-entry-name': text,
    tty: text,
    'extra-dirs-rootfs': texts,
  })
  .describe('How the node is reset');
