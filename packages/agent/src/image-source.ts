import { type Architecture, hostArchitecture } from '@kairos/facts/architecture';
import { KairosError } from '@kairos/facts/errors';
import { slotFiles } from '@kairos/facts/slot';
import type { Host } from '@kairos/host/host';
import type { BootForm } from '@kairos/oci/boot-form';
import { findBootForm } from '@kairos/oci/boot-form-content';
import { bootFormFromDirectory } from '@kairos/oci/boot-form-directory';
import { isLayout, openLayout } from '@kairos/oci/layout';

/**
 * Opens the image of a source: a folder (`dir:`, `oci:` or a plain path) that is an OCI image layout or holds the files
 * of a slot.
 * @throws KairosError `SOURCE_NOT_FOUND`, `SOURCE_UNSUPPORTED`, `NO_BOOT_FORM`, `WRONG_ARCHITECTURE`, and what reading
 *   throws
 */
export async function openImageSource(
  host: Host,
  uri: string,
  architecture: Architecture = hostArchitecture(),
): Promise<BootForm> {
  const [, scheme = '', path = ''] = /^(?:([a-z]+):)?(.*)$/s.exec(uri) ?? [];
  if (!['', 'dir', 'oci'].includes(scheme)) {
    throw new KairosError('SOURCE_UNSUPPORTED', `${uri}: a source of the kind ${scheme}: cannot be read`, {
      exit: 'usage',
      hint: 'Give a folder: dir:PATH with the files of a slot, or oci:PATH with an OCI image layout',
    });
  }
  const folder = host.files.real(path);
  if (path !== '' && isLayout(folder)) {
    const form = await findBootForm(openLayout(folder, uri), { architecture });
    if (form) return form;
    throw new KairosError(
      'NO_BOOT_FORM',
      `${uri} is a container image and no OS image: it has no boot form`,
      {
        exit: 'unsuitableImage',
        hint: `Make one from it: kairos build image oci:${path} --output FOLDER`,
      },
    );
  }
  if (path !== '' && host.files.exists(`${path}/${slotFiles.manifest}`))
    return bootFormFromDirectory(folder, uri);
  if (path === '' || !host.files.exists(path)) {
    throw new KairosError('SOURCE_NOT_FOUND', `${uri}: there is no folder ${path || 'in it'}`, {
      exit: 'notFound',
      hint: 'Images in registries are not read by this version: copy the image into a folder first (skopeo copy docker://IMAGE oci:FOLDER)',
    });
  }
  throw new KairosError(
    'NO_BOOT_FORM',
    `${uri} holds neither an OCI image layout nor the files of a slot (no oci-layout, no ${slotFiles.manifest})`,
    { exit: 'unsuitableImage', hint: 'Name the folder that `kairos build image` wrote' },
  );
}
