/** OCI media types and annotations of an OS image. */
export const mediaTypes = {
  index: 'application/vnd.oci.image.index.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar',
  layerGzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  layerZstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
  empty: 'application/vnd.oci.empty.v1+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerIndex: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerConfig: 'application/vnd.docker.container.image.v1+json',
  dockerLayerGzip: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
  /** `artifactType` of the boot form's manifest: its layers are the files of a slot. */
  bootForm: 'application/vnd.kairos.boot.v1',
  /** A file of the boot form; its name is in `org.opencontainers.image.title`. */
  bootFile: 'application/vnd.kairos.boot.file.v1',
} as const;

export const annotations = {
  title: 'org.opencontainers.image.title',
  version: 'org.opencontainers.image.version',
  created: 'org.opencontainers.image.created',
  baseName: 'org.opencontainers.image.base.name',
  refName: 'org.opencontainers.image.ref.name',
  /** On a descriptor in the index: `container` or `boot`. */
  form: 'io.kairos.form',
  flavor: 'io.kairos.flavor',
  flavorRelease: 'io.kairos.flavor-release',
  variant: 'io.kairos.variant',
  model: 'io.kairos.model',
} as const;
