import { basename } from 'node:path/posix';
import type { ImageManifest } from '@kairos/facts/image-manifest';
import { version as builderVersion } from '@kairos/facts/version';
import { canonicalJson } from '@kairos/oci/canonical-json';
import { sha256Of } from '@kairos/oci/digest';
import { type Base, showBase } from './base.ts';
import type { ContainerLayer } from './container-layers.ts';
import type { Definition, LocatedDefinition } from './definition.ts';

/** A base as it stands in provenance: without folders of the build machine, so that they do not change the digest. */
function provenanceBase(base: Base): string {
  if (base.kind === 'dir') return 'dir';
  return base.kind === 'debian' ? showBase(base) : `${base.kind}:${base.path.split('/').at(-1)}`;
}

/** A definition without folders of the build machine: flags make their paths absolute. What lies there is in the layers. */
function withoutFolders({ files, cloudConfigs, components, ...rest }: Definition): Definition {
  return {
    ...rest,
    base: undefined,
    components: components?.map((name) => basename(name)),
    files: files?.map((file) =>
      file.source === undefined ? file : { ...file, source: basename(file.source) },
    ),
    cloudConfigs: cloudConfigs?.map((config) => (typeof config === 'string' ? basename(config) : config)),
  };
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
        definition: withoutFolders(definition),
        // The layers hold all that the definition names: packages, files, cloud-configs, the executable.
        layers: layers.map(({ diffId }) => diffId),
      }),
    ),
    builder: `kairos ${builderVersion}`,
    epoch,
  };
}
