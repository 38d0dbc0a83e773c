import { KairosError, reasonOf } from '@kairos/facts/errors';
import { type ImageManifest, imageManifestSchema } from '@kairos/facts/image-manifest';
import { slotFiles } from '@kairos/facts/slot';

/** A name that is one file of a slot: it becomes a path on the node, so nothing that could climb or hide. */
const fileName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,100}$/;

export function isSlotFileName(name: string): boolean {
  return fileName.test(name);
}

/**
 * Reads `image.json`.
 * @param from Names the source in messages.
 * @throws KairosError `IMAGE_MANIFEST_INVALID`
 */
export function parseSlotManifest(bytes: Uint8Array, from: string): ImageManifest {
  let reason: string;
  try {
    const result = imageManifestSchema.safeParse(
      JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)),
    );
    if (result.success) {
      const names = Object.keys(result.data.files);
      const odd = names.find((name) => !isSlotFileName(name) || name === slotFiles.manifest);
      const missing = [slotFiles.root, slotFiles.kernel, slotFiles.initrd, slotFiles.cmdline].find(
        (name) => !names.includes(name),
      );
      if (odd === undefined && missing === undefined) return result.data;
      reason =
        odd === undefined
          ? `it does not list ${missing}`
          : `${JSON.stringify(odd)} cannot be the name of a slot's file`;
    } else {
      const [issue] = result.error.issues;
      reason = `${issue?.path.map(String).join('.') || 'the document'}: ${issue?.message ?? 'invalid'}`;
    }
  } catch (error) {
    reason = reasonOf(error);
  }
  throw new KairosError(
    'IMAGE_MANIFEST_INVALID',
    `The ${slotFiles.manifest} of ${from} is not valid: ${reason}`,
    {
      exit: 'corruptSource',
    },
  );
}
