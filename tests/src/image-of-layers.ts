import { mediaTypes } from '@kairos/facts/media-types';
import type { Descriptor } from '@kairos/oci/descriptor';
import type { LayoutWriter } from '@kairos/oci/layout-writer';

/**
 * Puts an image over layers that are in the layout already; gives its entry for the index.
 * @param diffIds digests of the layers without compression
 * @param more of its config
 */
export function putImageOfLayers(
  writer: LayoutWriter,
  layers: readonly Descriptor[],
  diffIds: readonly string[],
  more: Readonly<Record<string, unknown>> & { readonly architecture: string },
): Descriptor {
  const { architecture } = more;
  const config = writer.putJson(
    { os: 'linux', ...more, rootfs: { type: 'layers', diff_ids: diffIds } },
    mediaTypes.config,
  );
  const manifest = { schemaVersion: 2, mediaType: mediaTypes.manifest, config, layers };
  return { ...writer.putJson(manifest, mediaTypes.manifest), platform: { architecture, os: 'linux' } };
}
