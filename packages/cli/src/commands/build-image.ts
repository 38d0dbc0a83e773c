import { buildCommand } from '@stricli/core';
import type { Context } from '../application.ts';
import { dryRunFlag, jsonFlag, quietFlag, text } from './flags.ts';

/** What the user says of an image on the command line; the same as a definition says in YAML. */
export interface BuildImageFlags {
  readonly definition?: string;
  readonly output?: string;
  readonly executable?: string;
  readonly cache?: string;
  readonly work?: string;
  readonly refresh: boolean;
  readonly flavor?: string;
  readonly architecture?: string;
  readonly imageVersion?: string;
  readonly model?: string;
  readonly init?: string;
  readonly initrd?: string;
  readonly component?: readonly string[];
  readonly withoutComponent?: readonly string[];
  readonly package?: readonly string[];
  readonly file?: readonly string[];
  readonly cloudConfig?: readonly string[];
  readonly kernelArgument?: readonly string[];
  readonly filesystem?: string;
  readonly compression?: string;
  readonly dryRun: boolean;
  readonly json: boolean;
  readonly quiet: boolean;
}

/** Values that a flag takes, for completion; loaded when somebody asks. */
type Values = () => Promise<readonly string[]>;

const word = (brief: string, placeholder: string, values?: Values) =>
  ({
    kind: 'parsed',
    parse: text,
    brief,
    placeholder,
    optional: true,
    ...(values === undefined
      ? {}
      : {
          proposeCompletions: async (partial: string) =>
            (await values()).filter((value) => value.startsWith(partial)),
        }),
  }) as const;
const words = (brief: string, placeholder: string, values?: Values) =>
  ({ ...word(brief, placeholder, values), variadic: true }) as const;

const components: Values = async () => [
  ...(await import('@kairos/image/component')).builtinComponents().keys(),
];

export const buildImageCommand = buildCommand<BuildImageFlags, [string?], Context>({
  docs: {
    brief: 'Make an OS image from a distribution root',
    fullDescription:
      'Makes an OS image, an OCI image layout, from a root: debian:13 (bootstrapped from packages), dir:, tar:, oci: (layout folder), oci-archive:, docker-archive:. A definition in YAML says the same as the flags, which win. The same base and definition give the same digest. Needs root.',
    customUsage: [
      'debian:13 --output image/',
      '--definition my-os.yaml --output image/',
      'dir:root --output image/ --dry-run',
    ],
  },
  parameters: {
    flags: {
      definition: word('Definition in YAML', 'file'),
      output: word('Folder of the OCI layout to write', 'folder'),
      executable: word(
        'The kairos that goes into the image; default: this one, or that beside it which fits the root',
        'file',
      ),
      cache: word('Where bootstrapped roots are kept; default: ~/.cache/kairos', 'folder'),
      work: word('Where the root is unpacked meanwhile; default: beside the output', 'folder'),
      refresh: {
        kind: 'boolean',
        brief: 'Bootstrap again, for newer packages',
        default: false,
        withNegated: false,
      },
      flavor: word('Distribution, where the root does not say', 'name', async () =>
        (await import('@kairos/image/flavor')).allFlavors().map(({ name }) => name),
      ),
      architecture: word('amd64, arm64', 'name', async () => ['amd64', 'arm64']),
      imageVersion: word('Version of the image, such as v1.2.0', 'version'),
      model: word('Board, default generic', 'name'),
      init: word(
        'systemd, sysvinit or openrc',
        'name',
        async () => (await import('@kairos/image/flavor')).inits,
      ),
      initrd: word('thin or dracut', 'name', async () => ['thin', 'dracut']),
      component: words('Component to add: a name or the path of a manifest', 'name', components),
      withoutComponent: words('Component to leave out', 'name', components),
      package: words('Package to install', 'name'),
      file: words('File to lay in: SOURCE:/path', 'source:path'),
      cloudConfig: words('Cloud-config for /system/oem', 'file'),
      kernelArgument: words('Kernel argument', 'word'),
      filesystem: word(
        'erofs, squashfs or ext4; default: the best that the kernel has',
        'type',
        async () => (await import('@kairos/image/filesystem')).filesystemTypes,
      ),
      compression: word(
        'How hard to compress the root: none, fast or best',
        'level',
        async () => (await import('@kairos/image/filesystem')).compressions,
      ),
      dryRun: dryRunFlag,
      json: jsonFlag,
      quiet: quietFlag,
    },
    positional: {
      kind: 'tuple',
      parameters: [
        { brief: 'Base: debian:13, dir:…, tar:…, oci:…', placeholder: 'base', parse: text, optional: true },
      ],
    },
    aliases: { d: 'definition', o: 'output' },
  },
  async func(flags, base) {
    const { buildImageVerb } = await import('../image-verb.ts');
    this.process.stdout.write(await buildImageVerb(base, flags));
  },
});
