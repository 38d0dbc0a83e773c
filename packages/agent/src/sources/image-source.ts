import { statSync } from 'node:fs';
import { type Architecture, hostArchitecture } from '@kairos/facts/architecture';
import { KairosError } from '@kairos/facts/errors';
import { slotFiles } from '@kairos/facts/slot';
import type { Host } from '@kairos/host/host';
import type { BootForm } from '@kairos/oci/boot-form';
import { readWhole } from '@kairos/oci/digest';
import { withoutPassword } from '@kairos/oci/reference';
import type { RegistryOptions } from '@kairos/oci/registry';
import { type OpenSource, openSource, type ParsedSource, parseSource } from '@kairos/oci/source';
import type { ReportProgress } from '../progress.ts';

/** An image that may hold files and connections open. */
export interface ImageSource {
  readonly image: BootForm;
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
  /** Asked before anything of the image is used; throws where it must not be. */
  readonly approve?: (found: FoundImage) => Promise<void>;
  readonly report?: ReportProgress;
}

/** An image that was found and of which nothing but documents was read yet. */
export interface FoundImage {
  /** As the user named it, without passwords. */
  readonly shown: string;
  readonly opened: OpenSource;
  /** Digest of the manifest of the boot form, or of the container form where there is no other. */
  readonly digest: string;
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

/**
 * A failure of a reference, with a hint where a folder of that name holds an image: it is not looked into, and may be
 * what was meant.
 */
export function hintAtFolder(host: Host, uri: string, error: unknown): unknown {
  const kinds: readonly string[] = ['notFound', 'network', 'invalidInput'];
  if (!(error instanceof KairosError) || error.code === 'SOURCE_INVALID' || !kinds.includes(error.exit))
    return error;
  const { scheme, value } = parseSource(uri);
  if (scheme !== 'oci' || parseNodeSource(uri).scheme !== 'docker') return error;
  if (!['oci-layout', slotFiles.manifest].some((name) => host.files.exists(`${value}/${name}`))) return error;
  const { code, message, hint, exit, cause } = error;
  return new KairosError(code, message, {
    ...{ exit, cause },
    ...(error.details === undefined ? {} : { details: error.details }),
    hint: [`For the folder of that name that is here write dir:./${value}`, hint].filter(Boolean).join('. '),
  });
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

function noImage(opened: OpenSource, shown: string): KairosError {
  return new KairosError(
    'NO_BOOT_FORM',
    opened.content === undefined
      ? `${shown} holds no operating system: neither the files of a slot (no ${slotFiles.manifest}) nor a root (no os-release)`
      : `${shown} holds no image`,
    { exit: 'unsuitableImage', hint: 'Name the image, or the folder that `kairos build image` wrote' },
  );
}

/** Whether a directory or a file is a root, and not only something. */
function isRoot(host: Host, path: string): boolean {
  return ['etc/os-release', 'usr/lib/os-release'].some(
    (name) => host.files.status(`${path.replace(/\/$/, '')}/${name}`) !== undefined,
  );
}

async function open(host: Host, uri: string, options: SourceOptions): Promise<ImageSource> {
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
  const approve = (digest: string) => options.approve?.({ shown, opened, digest });
  try {
    const image = await opened.bootForm({ architecture });
    if (image !== undefined) {
      await approve(image.digest);
      return { image: remembering({ ...image, source: shown }), close: () => opened.close() };
    }
    const layers = await opened.containerImage({ architecture });
    if (layers !== undefined) await approve(layers.descriptor.digest);
    else if (opened.content !== undefined) throw noImage(opened, shown);
    else {
      const isFile = statSync(host.files.real(value), { throwIfNoEntry: false })?.isFile();
      if (!isFile && !isRoot(host, value)) throw noImage(opened, shown);
      await approve('');
    }
    // Loaded only here: this is what builds images.
    const { bootFormOnNode } = await import('./boot-form-on-node.ts');
    const made = await bootFormOnNode(host, {
      ...{ shown, architecture, report: options.report ?? (() => undefined) },
      root: layers === undefined ? { kind: 'path', path: value } : { kind: 'layers', image: layers },
      ...(signal === undefined ? {} : { signal }),
    });
    return {
      image: made.image,
      close() {
        made.remove();
        opened.close();
      },
    };
  } catch (error) {
    opened.close();
    throw error;
  }
}

/**
 * Opens the image of a source: a reference of a registry (`oci:`, `docker:`, or alone), a folder (`dir:`, `oci:` or a
 * path) that is an OCI image layout, holds the files of a slot or is a root, an archive of a layout (`ocifile:`, `file:`),
 * or a file system with a root in it (`file:`). Where there is no boot form, it is made here from the layers or the root.
 * Credentials, mirrors and certificates are those of the machine; docs/upgrade.md.
 * @throws KairosError `SOURCE_INVALID`, `SOURCE_NOT_FOUND`, `REFERENCE_INVALID`, `NO_BOOT_FORM`, `WRONG_ARCHITECTURE`,
 *   `IMAGE_NOT_FOUND`, `REGISTRY_*`, and what reading throws
 */
export async function openImageSource(
  host: Host,
  uri: string,
  options: SourceOptions = {},
): Promise<ImageSource> {
  try {
    return await open(host, uri, options);
  } catch (error) {
    throw hintAtFolder(host, uri, error);
  }
}
