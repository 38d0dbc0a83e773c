import type { ExtraPartition, PartitionSizes } from '@kairos/artifacts/disk-layout';
import { initialGrubOptions } from '@kairos/config/grub-options';
import type { CollectedConfig } from '../collect-config.ts';
import type { Afterwards } from '../lifecycle.ts';
import type { InstallConfig, InstallKeys } from './config.ts';
import { oemFiles } from './oem-files.ts';
import type { InstallWish } from './plan.ts';

type Mebibytes = string | number | null | undefined;

function partitionSizes(install: InstallKeys): PartitionSizes {
  const sizes: Record<string, number> = {};
  for (const name of ['efi', 'oem', 'recovery', 'state', 'persistent'] as const) {
    const size: Mebibytes = install.partitions?.[name]?.size;
    if (size !== undefined && size !== null) sizes[name] = Number(size);
  }
  return sizes;
}

/** Words of the field for a partition without a file system. */
const unformatted = ['none', '-', 'noformat'];

function extraPartitions(install: InstallKeys): ExtraPartition[] {
  return (install['extra-partitions'] ?? []).map(({ name, size, fs, label }) => ({
    name,
    size: Number(size ?? 0),
    ...(fs ? { filesystem: unformatted.includes(fs) ? 'none' : fs } : {}),
    ...(label ? { label } : {}),
  }));
}

/** What a configuration and the command line wish of an installation. */
export function wishOf(
  collected: CollectedConfig,
  config: InstallConfig,
  given: {
    readonly force: boolean;
    readonly after: Afterwards;
    readonly ejects?: string | undefined;
  },
): InstallWish {
  const install = config.install ?? {};
  return {
    sizes: partitionSizes(install),
    extra: extraPartitions(install),
    force: given.force || (install.force ?? false),
    noFormat: install['no-format'] ?? false,
    ...(install.firmware ? { firmware: install.firmware } : {}),
    oemFiles: oemFiles(collected, install),
    grubOptions: initialGrubOptions(config),
    bundles: {
      targets: (install.bundles ?? []).flatMap(({ targets }) => (targets ?? []).flatMap((one) => one || [])),
      fatal: config.fail_on_bundles_errors ?? false,
    },
    ...(install['grub-entry-name'] ? { entryName: install['grub-entry-name'] } : {}),
    ...(given.ejects === undefined ? {} : { ejects: given.ejects }),
    after: given.after,
    guids: () => crypto.randomUUID().toUpperCase(),
  };
}
