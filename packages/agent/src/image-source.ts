import { type Architecture, hostArchitecture } from '@kairos/facts/architecture';
import { KairosError } from '@kairos/facts/errors';
import { slotFiles } from '@kairos/facts/slot';
import type { Host } from '@kairos/host/host';
import { openArchive } from '@kairos/oci/archive';
import type { BootForm } from '@kairos/oci/boot-form';
import { findBootForm } from '@kairos/oci/boot-form-content';
import { bootFormFromDirectory } from '@kairos/oci/boot-form-directory';
import type { ContentSource } from '@kairos/oci/content';
import { isLayout, openLayout } from '@kairos/oci/layout';

/** An image that may hold a file open. */
export interface ImageSource {
  readonly image: BootForm;
  close(): void | Promise<void>;
}

function notFound(uri: string, path: string): KairosError {
  return new KairosError('SOURCE_NOT_FOUND', `${uri}: there is no ${path === '' ? 'path in it' : path}`, {
    exit: 'notFound',
    hint: 'Registries are not read here: copy the image first, for example with skopeo copy docker://IMAGE oci:FOLDER',
  });
}

async function bootFormOf(
  source: ContentSource,
  uri: string,
  architecture: Architecture,
): Promise<ImageSource> {
  try {
    const image = await findBootForm(source, { architecture });
    if (image) return { image, close: () => source.close() };
  } catch (error) {
    await source.close();
    throw error;
  }
  await source.close();
  throw new KairosError('NO_BOOT_FORM', `${uri} is a container image and no OS image: it has no boot form`, {
    exit: 'unsuitableImage',
    hint: `Make one from it: kairos build image ${uri} --output FOLDER`,
  });
}

/**
 * Opens the image of a source: a folder (`dir:`, `oci:` or a plain path) that is an OCI image layout or holds the files
 * of a slot, or an archive of a layout (`ocifile:`).
 * @throws KairosError `SOURCE_NOT_FOUND`, `SOURCE_UNSUPPORTED`, `NO_BOOT_FORM`, `WRONG_ARCHITECTURE`, and what reading
 *   throws
 */
export async function openImageSource(
  host: Host,
  uri: string,
  architecture: Architecture = hostArchitecture(),
): Promise<ImageSource> {
  const [, scheme = '', path = ''] = /^(?:([a-z]+):)?(.*)$/s.exec(uri) ?? [];
  if (!['', 'dir', 'oci', 'ocifile'].includes(scheme)) {
    throw new KairosError('SOURCE_UNSUPPORTED', `${uri}: a source of the kind ${scheme}: cannot be read`, {
      exit: 'usage',
      hint: 'Give dir:FOLDER with the files of a slot, oci:FOLDER with an OCI image layout, or ocifile:ARCHIVE',
    });
  }
  if (path === '' || !host.files.exists(path)) throw notFound(uri, path);
  const place = host.files.real(path);
  if (scheme === 'ocifile') return bootFormOf(await openArchive(place, uri), uri, architecture);
  if (isLayout(place)) return bootFormOf(openLayout(place, uri), uri, architecture);
  if (host.files.exists(`${path}/${slotFiles.manifest}`)) {
    return { image: bootFormFromDirectory(place, uri), close: () => undefined };
  }
  throw new KairosError(
    'NO_BOOT_FORM',
    `${uri} holds neither an OCI image layout nor the files of a slot (no oci-layout, no ${slotFiles.manifest})`,
    { exit: 'unsuitableImage', hint: 'Name the folder that `kairos build image` wrote' },
  );
}
