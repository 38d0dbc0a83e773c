import type { Tree } from '@kairos/config/tree';
import { paths } from '@kairos/facts/paths';
import { stringify } from 'yaml';
import type { CollectedConfig } from '../collect-config.ts';
import { printConfiguration } from '../configuration.ts';
import type { InstallKeys } from './config.ts';
import { sshHardeningFile } from './ssh-hardening.ts';

const pathsOf = (given: InstallKeys['bind_mounts']) => (given ?? []).flatMap((path) => path || []);

/** What was linked to is part of the configuration now; a boot that followed the link would run its steps twice. */
function withoutLink(tree: Tree): Tree {
  if (tree.kind !== 'map') return tree;
  return tree.withEntries(new Map([...tree.entries].filter(([key]) => key !== 'config_url')));
}

/**
 * What an installation puts on the OEM partition: the user's configuration, and the mounts that it asks for in the
 * form in which the boot reads them.
 */
export function oemFiles(collected: CollectedConfig, install: InstallKeys): Map<string, string> {
  const files = new Map([
    [
      '90_custom.yaml',
      printConfiguration({
        tree: withoutLink(collected.tree),
        sources: collected.documents.map(({ file }) => file),
      }),
    ],
  ]);
  if (install.ssh_hardening) files.set('10_ssh_hardening.yaml', sshHardeningFile());
  const bind = pathsOf(install.bind_mounts);
  const ephemeral = pathsOf(install.ephemeral_mounts);
  if (bind.length > 0 || ephemeral.length > 0) {
    const step = {
      name: 'Mounts of the user',
      environment_file: paths.customLayoutEnv,
      environment: {
        ...(bind.length > 0 ? { CUSTOM_BIND_MOUNTS: bind.join(' ') } : {}),
        ...(ephemeral.length > 0 ? { CUSTOM_EPHEMERAL_MOUNTS: ephemeral.join(' ') } : {}),
      },
    };
    files.set('10_user_custom_mounts.yaml', `#cloud-config\n\n${stringify({ stages: { rootfs: [step] } })}`);
  }
  return files;
}
