import { buildCommand } from '@stricli/core';
import type { Context } from '../application.ts';
import { dryRunFlag, insecureFlag, jsonFlag, text } from './flags.ts';

interface InstallFlags {
  readonly source?: string;
  readonly allowInsecureRegistries: boolean;
  readonly device?: string;
  readonly reboot?: boolean;
  readonly poweroff?: boolean;
  readonly force: boolean;
  readonly strict: boolean;
  readonly dryRun: boolean;
  readonly json: boolean;
  readonly useDefaultDirs: boolean;
  readonly leaveRunning: boolean;
}

const flags = {
  source: {
    kind: 'parsed',
    parse: text,
    brief: 'Image to install: oci:, dir:, ocifile:, file:; default: the one of the live medium',
    placeholder: 'image',
    optional: true,
  },
  allowInsecureRegistries: insecureFlag,
  device: {
    kind: 'parsed',
    parse: text,
    brief: 'Disk to install to, or auto; overrides the configuration',
    placeholder: 'disk',
    optional: true,
  },
  reboot: { kind: 'boolean', brief: 'Restart afterwards', optional: true, withNegated: false },
  poweroff: { kind: 'boolean', brief: 'Power off afterwards', optional: true, withNegated: false },
  force: {
    kind: 'boolean',
    brief: "Overwrite a disk that holds someone else's data",
    default: false,
    withNegated: false,
  },
  strict: { kind: 'boolean', brief: 'Unknown keys are errors', default: false, withNegated: false },
  dryRun: dryRunFlag,
  json: jsonFlag,
  useDefaultDirs: {
    kind: 'boolean',
    brief: 'Read the cloud-configs of the system too',
    default: false,
    withNegated: false,
  },
  leaveRunning: {
    kind: 'boolean',
    brief: 'Neither restart nor power off, whatever the configuration says',
    default: false,
    withNegated: false,
  },
} as const;

async function carryOut(
  context: Context,
  given: InstallFlags,
  more: { readonly unattended: boolean; readonly moreConfigFiles?: readonly string[] },
): Promise<void> {
  const { runInstallation } = await import('../installation.ts');
  const { json, useDefaultDirs, ...options } = given;
  const output = await runInstallation({ ...options, useDefaultDirectories: useDefaultDirs, ...more }, json);
  context.process.stdout.write(output);
}

export const installCommand = buildCommand<InstallFlags, [], Context>({
  docs: {
    brief: 'Install without asking, as the cloud-configs of the live medium say (install.auto: true)',
    fullDescription:
      'Without install.auto a plug-in (agent-provider-*) pairs this machine with another, which sends the configuration: its QR code is shown, and the installation begins when it has come.',
  },
  parameters: { flags },
  async func(given) {
    await carryOut(this, given, { unattended: true });
  },
});

export const manualInstallCommand = buildCommand<InstallFlags, string[], Context>({
  docs: { brief: 'Install as cloud-config files say; a later one wins' },
  parameters: {
    flags,
    positional: {
      kind: 'array',
      parameter: { brief: 'Cloud-config file', placeholder: 'config', parse: text },
      minimum: 1,
    },
  },
  async func(given, ...files) {
    await carryOut(this, given, { unattended: false, moreConfigFiles: files });
  },
});
