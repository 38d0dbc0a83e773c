import { resolve } from 'node:path';
import { type Architecture, hostArchitecture } from '@kairos/facts/architecture';
import { KairosError } from '@kairos/facts/errors';
import { slotFiles } from '@kairos/facts/slot';
import { machineHost } from '@kairos/host/machine';
import type { BootForm } from '@kairos/oci/boot-form';
import { openSource } from '@kairos/oci/source';

/**
 * Opens an OS image: a plain folder is an OCI layout; else `oci:` (layout or registry), `oci-archive:`, `dir:`, ….
 * @throws KairosError `NO_BOOT_FORM`, and those of the source
 */
export async function openImage(
  uri: string,
  architecture: Architecture = hostArchitecture(),
): Promise<BootForm> {
  const path = /^[a-z][\w+-]*:/.test(uri) ? uri : `oci:${resolve(uri)}`;
  const source = await openSource(path, { host: machineHost() });
  const form = await source.bootForm({ architecture });
  if (form) return form;
  if (source.content !== undefined) {
    throw new KairosError(
      'NO_BOOT_FORM',
      `${uri} is a container image and no OS image: it has no boot form`,
      {
        exit: 'unsuitableImage',
        hint: `Make one from it: kairos build image ${path} --output …`,
      },
    );
  }
  if (source.scheme === 'dir') {
    throw new KairosError('NO_BOOT_FORM', `${uri} is no OS image: the folder has no ${slotFiles.manifest}`, {
      exit: 'unsuitableImage',
      hint: `If it is a root, make an image from it: kairos build image ${uri} --output …`,
    });
  }
  throw new KairosError('NO_BOOT_FORM', `${uri} is no OS image: it is neither an OCI layout nor an archive`, {
    exit: 'unsuitableImage',
    hint: 'Name what kairos build image has written, or an archive of it',
  });
}
