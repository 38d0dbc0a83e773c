import { paths } from '@kairos/facts/paths';
import { stringify } from 'yaml';
import type { CollectedConfig } from './collect-config.ts';
import type { InstallKeys } from './install-config.ts';

const yaml = (value: unknown) =>
  stringify(value, { sortMapEntries: true, indent: 4, aliasDuplicateObjects: false, lineWidth: 0 });

/** The merged configuration as one document that says where it came from. */
export function formatConfig(collected: CollectedConfig): string {
  const sources = collected.documents.map(({ file }) => `# - ${file}\n`).join('');
  return `#cloud-config\n\n${sources === '' ? '' : `# Sources:\n${sources}\n`}${yaml(collected.config)}`;
}

/**
 * What an installation puts on the OEM partition: the user's configuration, and the mounts that it asks for in the
 * form in which the boot reads them.
 */
export function oemFiles(collected: CollectedConfig, install: InstallKeys): Map<string, string> {
  const files = new Map([['90_custom.yaml', formatConfig(collected)]]);
  const bind = install.bind_mounts ?? [];
  const ephemeral = install.ephemeral_mounts ?? [];
  if (bind.length > 0 || ephemeral.length > 0) {
    const step = {
      name: 'Mounts of the user',
      environment_file: paths.customLayoutEnv,
      environment: {
        ...(bind.length > 0 ? { CUSTOM_BIND_MOUNTS: bind.join(' ') } : {}),
        ...(ephemeral.length > 0 ? { CUSTOM_EPHEMERAL_MOUNTS: ephemeral.join(' ') } : {}),
      },
    };
    files.set('10_user_custom_mounts.yaml', `#cloud-config\n\n${yaml({ stages: { rootfs: [step] } })}`);
  }
  return files;
}
