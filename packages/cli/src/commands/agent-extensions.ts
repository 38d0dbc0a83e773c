import type { ExtensionKind } from '@kairos/facts/extensions';
import { buildCommand } from '@stricli/core';
import { type Context, routeMap } from '../application.ts';
import { jsonFlag, text } from './flags.ts';

export interface ProfileFlags {
  readonly active: boolean;
  readonly passive: boolean;
  readonly recovery: boolean;
  readonly common: boolean;
}
export interface ChangeFlags extends ProfileFlags {
  readonly now: boolean;
  readonly json: boolean;
}
export interface ExtensionInstallFlags {
  readonly digest?: string;
  readonly insecure: boolean;
  readonly json: boolean;
}

const flag = (brief: string) => ({ kind: 'boolean', brief, default: false, withNegated: false }) as const;
const profileFlags = {
  active: flag('Starts of the active system'),
  passive: flag('Starts of the passive system'),
  recovery: flag('Starts of recovery'),
  common: flag('All of these starts'),
} as const;
const nowFlag = flag('In the running system too, at once');

const nameParameter = {
  kind: 'tuple',
  parameters: [
    {
      brief: 'File name, with or without .raw, or a regular expression that only one fits',
      placeholder: 'name',
      parse: text,
    },
  ],
} as const;

/** The verbs `list`, `enable`, `disable`, `install`, `remove`, `merge` for a kind of extension. */
function extensionRoutes(kind: ExtensionKind) {
  const what = kind === 'sysext' ? 'system extensions' : 'configuration extensions';
  const change = (verb: 'enable' | 'disable', brief: string) =>
    buildCommand<ChangeFlags, [string], Context>({
      docs: { brief },
      parameters: { flags: { ...profileFlags, now: nowFlag, json: jsonFlag }, positional: nameParameter },
      async func(flags, name) {
        const { changeVerb } = await import('../extension-verbs.ts');
        this.process.stdout.write(await changeVerb(kind, verb, name, flags));
      },
    });
  return routeMap({
    routes: {
      list: buildCommand<ProfileFlags & { readonly json: boolean }, [], Context>({
        docs: { brief: `List the ${what} of this node` },
        parameters: { flags: { ...profileFlags, json: jsonFlag } },
        async func(flags) {
          const { listVerb } = await import('../extension-verbs.ts');
          this.process.stdout.write(listVerb(kind, flags));
        },
      }),
      enable: change('enable', `Use one of the ${what} from the next such start on`),
      disable: change('disable', `Use it no longer`),
      install: buildCommand<ExtensionInstallFlags, [string], Context>({
        docs: {
          brief: 'Fetch and verify an image and keep it on this node; enable makes it used',
          fullDescription:
            'URI is oci:IMAGE (every *.raw at its root), file:/PATH.raw, http://… or https://…. The image has to fit this system (extension-release), its hash tree has to fit its data, and extensions.policy in the cloud-config may ask for a hash tree (verity) or a signature (signed).',
        },
        parameters: {
          flags: {
            digest: {
              kind: 'parsed',
              parse: text,
              brief: 'Digest that the file has to have: sha256:…',
              placeholder: 'digest',
              optional: true,
            },
            insecure: flag('The registry may speak http, or have a certificate that nobody vouches for'),
            json: jsonFlag,
          },
          positional: {
            kind: 'tuple',
            parameters: [{ brief: 'oci:, file:, http: or https:', placeholder: 'uri', parse: text }],
          },
        },
        async func(flags, uri) {
          const { installVerb } = await import('../extension-verbs.ts');
          this.process.stdout.write(await installVerb(kind, uri, flags));
        },
      }),
      remove: buildCommand<{ readonly now: boolean; readonly json: boolean }, [string], Context>({
        docs: { brief: 'Remove an image from this node' },
        parameters: { flags: { now: nowFlag, json: jsonFlag }, positional: nameParameter },
        async func(flags, name) {
          const { removeVerb } = await import('../extension-verbs.ts');
          this.process.stdout.write(await removeVerb(kind, name, flags));
        },
      }),
      merge: buildCommand<{ readonly json: boolean }, [], Context>({
        docs: {
          brief: 'Verify what is enabled for this start and lay it out; the units do this at each start',
        },
        parameters: { flags: { json: jsonFlag } },
        async func(flags) {
          const { mergeVerb } = await import('../extension-verbs.ts');
          this.process.stdout.write(await mergeVerb(kind, flags));
        },
      }),
    },
    docs: { brief: kind === 'sysext' ? 'Images that add to /usr and /opt' : 'Images that add to /etc' },
  });
}

export const sysextRoutes = extensionRoutes('sysext');
export const confextRoutes = extensionRoutes('confext');
