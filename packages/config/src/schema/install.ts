import { z } from 'zod';
import { count, flag, looseText, mebibytes, sourceUri, text, texts } from './kinds.ts';

export const bundle = z
  .strictObject({
    targets: texts.describe('What to install, such as container://IMAGE or run://IMAGE'),
    repository: text.describe('Repository of packages'),
    rootfs_path: text.describe('Where it is unpacked; default /'),
    db_path: text.describe('Where it is recorded; default /usr/local/.kairos/db'),
    local_file: flag.describe('The targets are files of the node'),
  })
  .describe('A bundle of software');

/** Variables of GRUB's environment that people set. Others pass: GRUB's menu is theirs to extend. */
export const grubOptions = z
  .looseObject({
    extra_cmdline: text.describe('Kernel arguments of every entry'),
    extra_active_cmdline: text.describe('Kernel arguments of the active system'),
    extra_passive_cmdline: text.describe('Kernel arguments of the fallback'),
    extra_recovery_cmdline: text.describe('Kernel arguments of recovery'),
    default_menu_entry: text.describe('Title of the active system in the menu'),
    default_fallback: text.describe('Entries to try one after another'),
    next_entry: text.describe('Entry of the next boot only'),
    saved_entry: text.describe('Entry of every boot'),
  })
  .nullish()
  .describe("Variables of GRUB's environment");

const image = z
  .strictObject({
    source: sourceUri.describe('oci:IMAGE, dir:FOLDER, file:IMAGE_FILE or ocifile:ARCHIVE'),
    uri: sourceUri.describe('Old name of source').meta({ deprecated: true }),
    size: mebibytes.describe('MiB of the file'),
    fs: text.describe('File system'),
    label: text.describe('File system label'),
  })
  .nullish();
const partition = z
  .strictObject({
    size: mebibytes.describe('MiB; too small ones are raised'),
    fs: text.describe('File system'),
  })
  .nullish();

export const install = z
  .strictObject({
    auto: flag.describe('Install without asking'),
    device: z
      .string()
      .regex(/^(auto|\/dev\/.+|script:\/\/.+)?$/, 'expected auto, a path below /dev or script://PATH')
      .nullish()
      .describe('auto, /dev/…, or script://PATH whose output is the device'),
    source: sourceUri.describe('Image to install; default: that of the medium'),
    reboot: flag.describe('Reboot afterwards; not together with poweroff'),
    poweroff: flag.describe('Power off afterwards'),
    force: flag.describe('Install over a running deployment'),
    'no-format': flag.describe('Use partitions that are there, by their labels'),
    nousers: flag.describe('Nobody needs to be able to log in'),
    ssh_hardening: flag.describe('SSH with keys only; needs a user with one'),
    'allow-insecure-registries': flag.describe('Registries without TLS'),
    skip_copy_kcrypt_plugin: flag.describe('Accepted for older files'),
    system: image.describe('The active system'),
    passive: image.describe('The fallback'),
    'recovery-system': image.describe('The recovery system'),
    partitions: z
      .strictObject({
        oem: partition.describe('The partition oem'),
        recovery: partition.describe('The partition recovery'),
        state: partition.describe('The partition state'),
        persistent: partition.describe('The partition persistent'),
        efi: partition.describe('The partition efi'),
        bios: partition.describe('The partition bios'),
      })
      .nullish()
      .describe('Sizes and file systems of the partitions'),
    'extra-partitions': z
      .array(
        z.strictObject({
          name: z.string().min(1).describe('Partition name'),
          size: mebibytes.describe('MiB; 0 for the rest, of one partition at most'),
          fs: text.describe('File system; none, - or noformat leaves it empty; default ext2'),
          label: text.describe('File system label'),
          flags: texts.describe('Flags of the partition'),
        }),
      )
      .nullish()
      .describe('Further partitions'),
    'part-table': z.enum(['gpt']).nullish().describe('Partition table'),
    firmware: z
      .enum(['efi', 'bios'])
      .nullish()
      .describe('Firmware to install for; default: that of this machine'),
    tty: text.describe('Console of the installer; default tty1'),
    'grub-entry-name': text.describe('Title of the entry in the boot menu; default Kairos'),
    iso: text.describe('ISO to install from'),
    image: sourceUri.describe('Old name of source'),
    'extra-dirs-rootfs': texts.describe('Directories to make in the root'),
    bind_mounts: texts.describe('Further paths that persist'),
    ephemeral_mounts: texts.describe('Further paths that are writable until the reboot'),
    encrypted_partitions: texts.describe('Labels of partitions to encrypt'),
    bundles: z.array(bundle).nullish().describe('Bundles installed with the system'),
    grub_options: grubOptions.describe("Variables of GRUB's environment"),
    env: z
      .union([
        z.array(z.union([z.string(), z.record(z.string(), looseText)])),
        z.record(z.string(), looseText),
      ])
      .nullish()
      .describe('Environment of the installation: NAME=VALUE'),
    'cloud-init': text.describe('Cloud-config to copy'),
    'skip-entries': texts.describe('Boot entries that are not installed'),
  })
  .describe('How the node is installed');

export const upgrade = z
  .strictObject({
    system: image.describe('The active system'),
    'recovery-system': image.describe('The recovery system'),
    recovery: flag.describe('Upgrade recovery instead of the active system'),
    entry: text.describe('Boot entry to upgrade'),
    'excluded-paths': texts.describe('Paths that are not copied'),
    'grub-entry-name': text.describe('Title of the entry in the boot menu'),
    reboot: flag.describe('Reboot afterwards; not together with poweroff'),
    poweroff: flag.describe('Power off afterwards'),
    'extra-dirs-rootfs': texts.describe('Directories to make in the root'),
    'allow-insecure-registries': flag.describe('Registries without TLS'),
    tries: count.describe('Starts that a new system has to prove itself; default 3'),
  })
  .describe('How the node is upgraded');

export const reset = z
  .strictObject({
    system: image.describe('The active system'),
    passive: image.describe('The fallback'),
    'reset-persistent': flag.describe('Empty the persistent partition; default true'),
    'reset-oem': flag.describe('Empty the OEM partition; default false'),
    reboot: flag.describe('Reboot afterwards; not together with poweroff'),
    poweroff: flag.describe('Power off afterwards'),
    'grub-entry-name': text.describe('Title of the entry in the boot menu'),
    tty: text.describe('Console; default tty1'),
    'extra-dirs-rootfs': texts.describe('Directories to make in the root'),
  })
  .describe('How the node is reset');
