import { resolve } from 'node:path';
import { type Architecture, hostArchitecture } from '@kairos/facts/architecture';
import { KairosError } from '@kairos/facts/errors';
import type { BootForm } from '@kairos/oci/boot-form';
import { findBootForm } from '@kairos/oci/boot-form-content';
import { bootFormFromDirectory } from '@kairos/oci/boot-form-directory';
import { openLayout } from '@kairos/oci/layout';

/**
 * Opens an OS image: an OCI layout folder (`oci:` or a plain path), or a folder with the files of a slot (`dir:`).
 * @throws KairosError `IMAGE_NOT_FOUND`, `NO_BOOT_FORM`, and those of the layout
 */
export async function openImage(
  uri: string,
  architecture: Architecture = hostArchitecture(),
): Promise<BootForm> {
  if (uri.startsWith('dir:')) return bootFormFromDirectory(resolve(uri.slice('dir:'.length)), uri);
  const path = resolve(uri.replace(/^oci:/, ''));
  const form = await findBootForm(openLayout(path, uri), { architecture });
  if (form) return form;
  throw new KairosError('NO_BOOT_FORM', `${uri} is a container image and no OS image: it has no boot form`, {
    exit: 'unsuitableImage',
    hint: `Make one from it: kairos build image ${uri.includes(':') ? uri : `oci:${uri}`} --output …`,
  });
}
