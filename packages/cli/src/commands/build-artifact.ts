import type { MediumOptions } from '@kairos/artifacts/iso';
import { buildCommand } from '@stricli/core';
import type { Context } from '../application.ts';
import { jsonFlag, parseSize, quietFlag, text } from './flags.ts';

interface ArtifactFlags {
  readonly output: string;
  readonly cloudConfig?: string;
  readonly json: boolean;
  readonly quiet: boolean;
}

const shared = {
  output: { kind: 'parsed', parse: text, brief: 'File to write', placeholder: 'file' },
  cloudConfig: {
    kind: 'parsed',
    parse: text,
    brief: 'Cloud-config to put into the artifact',
    placeholder: 'file',
    optional: true,
  },
  json: jsonFlag,
  quiet: quietFlag,
} as const;

const source = {
  kind: 'tuple',
  parameters: [
    {
      brief: 'OS image: an OCI layout folder, oci-archive:FILE or dir:FOLDER',
      placeholder: 'image',
      parse: text,
    },
  ],
} as const;

/** What both commands do around the building itself. */
async function build(
  context: Context,
  kind: 'iso' | 'raw',
  flags: ArtifactFlags & { readonly size?: number; readonly medium?: MediumOptions },
  image: string,
): Promise<void> {
  const { buildArtifact } = await import('../artifact.ts');
  const result = await buildArtifact(kind, flags, image);
  context.process.stdout.write(
    flags.json ? `${JSON.stringify(result)}\n` : `${result.path}  ${result.size} bytes  ${result.digest}\n`,
  );
}

interface IsoFlags extends ArtifactFlags {
  readonly kernelArgument?: readonly string[];
  readonly menuTimeout?: number;
}

function parseSeconds(given: string): number {
  if (!/^\d{1,6}$/.test(given)) throw new Error(`${given} is not a whole number of seconds`);
  return Number(given);
}

export const buildIsoCommand = buildCommand<IsoFlags, [string], Context>({
  docs: {
    brief: 'Make an ISO that boots on BIOS and UEFI, from USB or CD',
    fullDescription:
      'Makes an installation medium from an OS image. It boots on BIOS and UEFI, from USB or CD. Needs no root and no mounts; the same input gives the same bytes.',
  },
  parameters: {
    flags: {
      ...shared,
      kernelArgument: {
        kind: 'parsed',
        parse: text,
        brief:
          'Argument for the kernel that the medium starts, again for more; the system it installs has install.grub_options',
        placeholder: 'argument',
        optional: true,
        variadic: true,
      },
      menuTimeout: {
        kind: 'parsed',
        parse: parseSeconds,
        brief: 'Seconds that the menu of the medium waits; default 5',
        placeholder: 'seconds',
        optional: true,
      },
    },
    positional: source,
    aliases: { o: 'output', c: 'cloudConfig', k: 'kernelArgument' },
  },
  async func({ kernelArgument, menuTimeout, ...flags }, image) {
    const medium = {
      ...(kernelArgument === undefined ? {} : { kernelArguments: kernelArgument }),
      ...(menuTimeout === undefined ? {} : { menuTimeout }),
    };
    await build(this, 'iso', { ...flags, ...(Object.keys(medium).length === 0 ? {} : { medium }) }, image);
  },
});

export const buildRawCommand = buildCommand<ArtifactFlags & { readonly size?: number }, [string], Context>({
  docs: {
    brief: 'Make a raw disk that boots straight, on BIOS and UEFI',
    fullDescription:
      'Makes a disk image that boots without an installation, on BIOS and UEFI, and grows its persistent partition on the first boot. Needs no root and no mounts; the same input gives the same bytes.',
  },
  parameters: {
    flags: {
      ...shared,
      size: {
        kind: 'parsed',
        parse: parseSize,
        brief: 'Size of the disk, such as 8G; default: the usual partitions and a small persistent one',
        placeholder: 'size',
        optional: true,
      },
    },
    positional: source,
    aliases: { o: 'output', c: 'cloudConfig', s: 'size' },
  },
  async func(flags, image) {
    await build(this, 'raw', flags, image);
  },
});
