import { buildCommand } from '@stricli/core';
import type { Context } from '../application.ts';
import { dryRunFlag, jsonFlag, text } from './flags.ts';

export interface BundleFlags {
  readonly repository?: string;
  readonly rootPath?: string;
  readonly localFile: boolean;
  readonly force: boolean;
  readonly insecure: boolean;
  readonly dryRun: boolean;
  readonly json: boolean;
}

export const installBundleCommand = buildCommand<BundleFlags, [string], Context>({
  docs: {
    brief: 'Install a bundle: an image whose files go into the root, or whose run.sh is run',
    fullDescription:
      'container://IMAGE (docker://IMAGE is the same) puts the files of an image below --root-path; run://IMAGE runs its run.sh. IMAGE is a reference, or with --local-file a path of an archive or an OCI image layout.',
  },
  parameters: {
    flags: {
      repository: {
        kind: 'parsed',
        parse: text,
        brief: 'For package:// targets, which are not installed here (env REPOSITORY)',
        placeholder: 'url',
        optional: true,
      },
      rootPath: {
        kind: 'parsed',
        parse: text,
        brief: 'The root that its files go to; default: /',
        placeholder: 'dir',
        optional: true,
      },
      localFile: {
        kind: 'boolean',
        brief: 'The target names a file of this machine (env LOCAL_FILE)',
        default: false,
        withNegated: false,
      },
      force: {
        kind: 'boolean',
        brief: 'Install again what is installed',
        default: false,
        withNegated: false,
      },
      insecure: {
        kind: 'boolean',
        brief: 'The registry may speak http, or have a certificate that nobody vouches for',
        default: false,
        withNegated: false,
      },
      dryRun: dryRunFlag,
      json: jsonFlag,
    },
    positional: {
      kind: 'tuple',
      parameters: [
        { brief: 'container://IMAGE, docker://IMAGE or run://IMAGE', placeholder: 'target', parse: text },
      ],
    },
  },
  async func(flags, target) {
    const { installBundleVerb } = await import('../bundle-verb.ts');
    this.process.stdout.write(await installBundleVerb(target, flags));
  },
});
