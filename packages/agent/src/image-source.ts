import { type Architecture, hostArchitecture } from '@kairos/facts/architecture';
import { KairosError } from '@kairos/facts/errors';
import { slotFiles } from '@kairos/facts/slot';
import type { Host } from '@kairos/host/host';
import type { BootForm } from '@kairos/oci/boot-form';
import { readWhole } from '@kairos/oci/digest';
import { withoutPassword } from '@kairos/oci/reference';
import type { RegistryOptions } from '@kairos/oci/registry';
import { type OpenSource, openSource, type ParsedSource, parseSource } from '@kairos/oci/source';

/** An image that may hold files and connections open. */
export interface ImageSource {
  readonly image: BootForm;
  /** What the image was found in; none where a caller made the image by other means. */
  readonly opened?: OpenSource;
  close(): void | Promise<void>;
}

export interface SourceOptions {
  /** Default: that of this machine. */
  readonly architecture?: Architecture;
  /** Registries may speak http or have a certificate that nobody vouches for. */
  readonly insecure?: boolean;
  readonly signal?: AbortSignal;
  /** Further settings of registries, over those of the machine. */
  readonly registry?: RegistryOptions;
}

/**
 * A source as the node reads it. What follows `oci:`, or stands alone, is a path where it begins with `/` or `.`, and
 * else a reference, whatever lies in the working directory: root may run this in a folder of somebody else.
 * @throws KairosError `SOURCE_INVALID`
 */
export function parseNodeSource(uri: string): ParsedSource {
  const parsed = parseSource(uri);
  return parsed.scheme === 'oci' && !/^[/.]/.test(parsed.value) ? { ...parsed, scheme: 'docker' } : parsed;
}

/** Small files are asked for twice, by who plans and by who copies; they come once. */
function remembering(image: BootForm): BootForm {
  const known = new Map<string, Uint8Array>();
  const maximum = 32 * 1024 * 1024;
  const small = (file: string) =>
    (file === slotFiles.manifest || file === slotFiles.bootloader) &&
    (image.files.get(file) ?? maximum + 1) <= maximum;
  const whole = async (file: string) => {
    const bytes = known.get(file) ?? (await readWhole(image.open(file), maximum, file));
    known.set(file, bytes);
    return bytes;
  };
  return {
    ...image,
    async *open(file) {
      if (small(file)) yield await whole(file);
      else yield* image.open(file);
    },
    ...(image.openFrom === undefined
      ? {}
      : {
          async *openFrom(file: string, offset: number) {
            if (small(file)) yield (await whole(file)).subarray(offset);
            else if (image.openFrom !== undefined) yield* image.openFrom(file, offset);
          },
        }),
  };
}

async function noBootForm(
  opened: OpenSource,
  shown: string,
  architecture: Architecture,
): Promise<KairosError> {
  const container = await opened.containerImage({ architecture });
  if (container !== undefined) {
    return new KairosError(
      'NO_BOOT_FORM',
      `${shown} is a container image and no OS image: it has no boot form`,
      { exit: 'unsuitableImage', hint: `Make one from it: kairos build image ${shown} --output FOLDER` },
    );
  }
  return new KairosError(
    'NO_BOOT_FORM',
    opened.content === undefined
      ? `${shown} holds neither an OCI image layout nor the files of a slot (no oci-layout, no ${slotFiles.manifest})`
      : `${shown} holds no image`,
    { exit: 'unsuitableImage', hint: 'Name the image, or the folder that `kairos build image` wrote' },
  );
}

/**
 * Opens the image of a source: a reference of a registry (`oci:`, `docker:`, or alone), a folder (`dir:`, `oci:` or a
 * path) that is an OCI image layout or holds the files of a slot, or an archive of a layout (`ocifile:`, `file:`).
 * Credentials, mirrors and certificates are those of the machine; docs/upgrade.md.
 * @throws KairosError `SOURCE_INVALID`, `SOURCE_NOT_FOUND`, `REFERENCE_INVALID`, `NO_BOOT_FORM`, `WRONG_ARCHITECTURE`,
 *   `IMAGE_NOT_FOUND`, `REGISTRY_*`, and what reading throws
 */
export async function openImageSource(
  host: Host,
  uri: string,
  options: SourceOptions = {},
): Promise<ImageSource> {
  const { architecture = hostArchitecture(), insecure, signal } = options;
  const { scheme, value } = parseNodeSource(uri);
  const shown = withoutPassword(uri);
  const opened = await openSource(`${scheme}:${value}`, {
    host,
    registry: {
      ...(insecure ? { insecure } : {}),
      ...(signal === undefined ? {} : { signal }),
      ...options.registry,
    },
  });
  try {
    const image = await opened.bootForm({ architecture });
    if (image === undefined) throw await noBootForm(opened, shown, architecture);
    return { image: remembering({ ...image, source: shown }), opened, close: () => opened.close() };
  } catch (error) {
    opened.close();
    throw error;
  }
}
