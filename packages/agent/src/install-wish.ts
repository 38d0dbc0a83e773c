import type { ExtraPartition, PartitionSizes } from '@kairos/artifacts/disk-layout';
import type { CollectedConfig } from './collect-config.ts';
import type { InstallConfig, InstallKeys } from './install-config.ts';
import type { InstallWish } from './install-plan.ts';
import { oemFiles } from './oem-files.ts';

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

/** Variables of GRUB's environment: those of the installation over those of the node. */
function grubOptions(config: InstallConfig): Record<string, string> {
  const options: Record<string, string> = {};
  for (const [name, value] of Object.entries({ ...config.grub_options, ...config.install?.grub_options })) {
    if (value !== undefined && value !== null) options[name] = String(value);
  }
  return options;
}

/** Variables for the programs that an installation runs, from `env` lists and maps. */
export function environmentOf(config: InstallConfig): Readonly<Record<string, string>> {
  const variables: Record<string, string> = {};
  for (const given of [config.env, config.install?.env]) {
    if (Array.isArray(given)) {
      for (const entry of given) {
        if (typeof entry === 'object' && entry !== null) {
          for (const [name, value] of Object.entries(entry)) variables[name] = String(value ?? '');
          continue;
        }
        const at = entry?.indexOf('=') ?? -1;
        if (entry && at > 0) variables[entry.slice(0, at)] = entry.slice(at + 1);
      }
    } else {
      for (const [name, value] of Object.entries(given ?? {})) variables[name] = String(value ?? '');
    }
  }
  return variables;
}

/** What a configuration and the command line wish of an installation. */
export function wishOf(
  collected: CollectedConfig,
  config: InstallConfig,
  given: {
    readonly force: boolean;
    readonly after: InstallWish['after'];
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
    grubOptions: grubOptions(config),
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
