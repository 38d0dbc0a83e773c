import type { ImageManifest } from '@kairos/facts/image-manifest';
import { version as builderVersion } from '@kairos/facts/version';
import { canonicalJson } from '@kairos/oci/canonical-json';
import { sha256Of } from '@kairos/oci/digest';
import { type Base, showBase } from './base.ts';
import type { ContainerLayer } from './container-layers.ts';
import type { LocatedDefinition } from './definition.ts';

/** A base as it stands in provenance: without folders of the build machine, so that they do not change the digest. */
function provenanceBase(base: Base): string {
  if (base.kind === 'dir') return 'dir';
  return base.kind === 'debian' ? showBase(base) : `${base.kind}:${base.path.split('/').at(-1)}`;
}

/** What an image was made from, for its manifest: the same for the same inputs, wherever it is built. */
export function provenanceOf(
  { definition }: Pick<LocatedDefinition, 'definition'>,
  from: Base,
  layers: readonly Pick<ContainerLayer, 'diffId'>[],
  epoch: number,
): ImageManifest['provenance'] {
  const base = provenanceBase(from);
  return {
    base,
    inputs: sha256Of(
      canonicalJson({
        base,
        definition: { ...definition, base: undefined },
        // The layers hold all that the definition names: packages, files, cloud-configs, the executable.
        layers: layers.map(({ diffId }) => diffId),
      }),
    ),
    builder: `kairos ${builderVersion}`,
    epoch,
  };
}
