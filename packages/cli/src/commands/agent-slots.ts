import { buildCommand } from '@stricli/core';
import { type Context, routeMap } from '../application.ts';
import { listReleasesCommand } from './agent-releases.ts';
import { dryRunFlag, insecureFlag, jsonFlag, text } from './flags.ts';

const onceOnly = (brief: string) => ({ kind: 'boolean', brief, default: false, withNegated: false }) as const;

export interface UpgradeFlags {
  readonly source?: string;
  readonly allowInsecureRegistries: boolean;
  readonly image?: string;
  readonly excludePath?: readonly string[];
  readonly recovery: boolean;
  readonly force: boolean;
  readonly reboot: boolean;
  readonly poweroff: boolean;
  readonly strict: boolean;
  readonly dryRun: boolean;
  readonly json: boolean;
}

const upgradeCommand = buildCommand<UpgradeFlags, [string?], Context>({
  docs: {
    brief: 'Upgrade the system, or with --recovery the recovery system, to another image',
    fullDescription:
      'Writes the new image beside the running one, verifies it, and swaps them in one step: at every instant there is a complete system to start and one to fall back to. The new system has three starts to prove itself.',
  },
  parameters: {
    flags: {
      source: {
        kind: 'parsed',
        parse: text,
        brief: 'Image: oci:, dir:, ocifile:, file:, recovery:; default: what the configuration says',
        placeholder: 'image',
        optional: true,
      },
      allowInsecureRegistries: insecureFlag,
      image: {
        kind: 'parsed',
        parse: text,
        brief: 'Deprecated: the same as --source oci:IMAGE',
        placeholder: 'image',
        optional: true,
      },
      excludePath: {
        kind: 'parsed',
        parse: text,
        brief: 'Deprecated: has no effect, the root is read-only and copied as it is',
        placeholder: 'path',
        variadic: true,
        optional: true,
      },
      recovery: onceOnly('Upgrade the recovery system'),
      force: onceOnly('Another flavor is wanted; write the same image again'),
      reboot: onceOnly('Restart afterwards'),
      poweroff: onceOnly('Power off afterwards'),
      strict: onceOnly('Problems of the configuration and failing stages end the upgrade'),
      dryRun: dryRunFlag,
      json: jsonFlag,
    },
    positional: {
      kind: 'tuple',
      parameters: [
        { brief: 'Deprecated: the same as --source', placeholder: 'image', parse: text, optional: true },
      ],
    },
  },
  async func(flags, image) {
    const { upgradeVerb } = await import('../slot-verbs.ts');
    this.process.stdout.write(await upgradeVerb(flags, image));
  },
});

export const upgradeRoutes = routeMap({
  routes: { run: upgradeCommand, 'list-releases': listReleasesCommand },
  defaultCommand: 'run',
  docs: { brief: 'Upgrade the system, or with --recovery the recovery system, to another image' },
});

export const rollbackCommand = buildCommand<
  { readonly dryRun: boolean; readonly force: boolean; readonly reboot: boolean; readonly json: boolean },
  [],
  Context
>({
  docs: { brief: 'Swap the active and the passive system, for good' },
  parameters: {
    flags: {
      dryRun: dryRunFlag,
      force: onceOnly('Also where both hold the same image'),
      reboot: onceOnly('Restart afterwards'),
      json: jsonFlag,
    },
  },
  async func(flags) {
    const { rollbackVerb } = await import('../slot-verbs.ts');
    this.process.stdout.write(await rollbackVerb(flags));
  },
});

export const bootEntryCommand = buildCommand<
  { readonly select?: string; readonly permanent: boolean; readonly json: boolean },
  [],
  Context
>({
  docs: { brief: 'List what can be started, or choose what starts next' },
  parameters: {
    flags: {
      select: {
        kind: 'parsed',
        parse: text,
        brief: 'Entry to start next: cos, fallback, recovery, statereset',
        placeholder: 'entry',
        optional: true,
      },
      permanent: onceOnly('From now on, instead of once'),
      json: jsonFlag,
    },
    aliases: { s: 'select' },
  },
  async func(flags) {
    const { bootEntryVerb } = await import('../slot-verbs.ts');
    this.process.stdout.write(await bootEntryVerb(flags));
  },
});

export const bootGoodCommand = buildCommand<{ readonly json: boolean }, [], Context>({
  docs: {
    brief: 'Check the health of a newly upgraded system and mark its boot good, or restart to the next try',
  },
  parameters: { flags: { json: jsonFlag } },
  async func({ json }) {
    const { bootGoodVerb } = await import('../slot-verbs.ts');
    this.process.exitCode = await bootGoodVerb(json);
  },
});
