import { KairosError } from '@kairos/facts/errors';

/** What names a released image; the field's word for it is artifact. */
export interface Artifact {
  readonly flavor: string;
  readonly flavorRelease: string;
  readonly variant: string;
  readonly model: string;
  readonly arch: string;
  readonly version?: string;
  /** Version of what it carries beside the system, such as Kubernetes. */
  readonly softwareVersion?: string;
  /** The word before it, such as `k3s`. */
  readonly softwareVersionPrefix?: string;
  readonly family?: string;
}

function missing(name: string): KairosError {
  return new KairosError('ARTIFACT_INCOMPLETE', `The name of the artifact needs --${name}`, {
    exit: 'usage',
    hint: `Give --${name}, or the environment variable ${name.toUpperCase().replaceAll('-', '_')}`,
  });
}

/** A tag has no plus sign. */
const asTag = (text: string) => text.replaceAll('+', '-');

function commonName(artifact: Artifact): string {
  for (const [name, value] of [
    ['flavor', artifact.flavor],
    ['flavor-release', artifact.flavorRelease],
    ['variant', artifact.variant],
    ['arch', artifact.arch],
    ['model', artifact.model],
  ] as const) {
    if (value === '') throw missing(name);
  }
  return [artifact.flavorRelease, artifact.variant, artifact.arch, artifact.model].join('-');
}

function versionedName(artifact: Artifact): string {
  if (!artifact.version) throw missing('version');
  const software = artifact.softwareVersion
    ? `-${artifact.softwareVersionPrefix ?? ''}${artifact.softwareVersion}`
    : '';
  return `${commonName(artifact)}-${artifact.version}${software}`;
}

/**
 * The tag of an image: `<flavor release>-<variant>-<arch>-<model>-<version>[-<prefix><software version>]`, with `-` in place
 * of `+`.
 * @throws KairosError `ARTIFACT_INCOMPLETE`
 */
export function artifactTag(artifact: Artifact): string {
  return asTag(versionedName(artifact));
}

/** `<registry and organization>/<flavor>:<tag>`. @throws KairosError `ARTIFACT_INCOMPLETE` */
export function containerName(artifact: Artifact, registryAndOrg: string): string {
  if (registryAndOrg === '') throw missing('registry-and-org');
  const tag = artifactTag(artifact);
  return `${registryAndOrg}/${artifact.flavor}:${tag}`;
}

/** Name of the file of a medium, without its ending. @throws KairosError `ARTIFACT_INCOMPLETE` */
export function bootableName(artifact: Artifact): string {
  const name = versionedName(artifact);
  return `kairos-${artifact.flavor}-${name}`;
}

/** The image before the system is laid in, named by an id instead of a version. @throws KairosError `ARTIFACT_INCOMPLETE` */
export function baseContainerName(artifact: Artifact, registryAndOrg: string, id: string): string {
  if (registryAndOrg === '') throw missing('registry-and-org');
  if (id === '') throw missing('id');
  const name = commonName(artifact);
  return `${registryAndOrg}/${artifact.flavor}:${asTag(`${name}-${id}`)}`;
}

export interface ReleasePlaces {
  readonly registryAndOrg: string;
  readonly githubRepo: string;
  readonly bugReportUrl: string;
  readonly projectHomeUrl: string;
}

/** Lines for os-release(5), `KAIROS_<KEY>="value"`. @throws KairosError `ARTIFACT_INCOMPLETE` */
export function osReleaseVariables(artifact: Artifact, places: ReleasePlaces): string {
  const tag = artifactTag(artifact);
  const name = `kairos-${artifact.variant}-${artifact.flavor}-${artifact.flavorRelease}`;
  const values: Readonly<Record<string, string>> = {
    ARTIFACT: bootableName(artifact),
    BUG_REPORT_URL: places.bugReportUrl,
    FAMILY: artifact.family ?? '',
    FLAVOR: artifact.flavor,
    FLAVOR_RELEASE: artifact.flavorRelease,
    GITHUB_REPO: places.githubRepo,
    HOME_URL: places.projectHomeUrl,
    ID: 'kairos',
    ID_LIKE: name,
    IMAGE_LABEL: tag.slice(`${artifact.flavorRelease}-`.length),
    IMAGE_REPO: containerName(artifact, places.registryAndOrg),
    MODEL: artifact.model,
    NAME: name,
    PRETTY_NAME: `${name} ${artifact.version}`,
    REGISTRY_AND_ORG: places.registryAndOrg,
    RELEASE: artifact.version ?? '',
    SOFTWARE_VERSION: artifact.softwareVersion ?? '',
    SOFTWARE_VERSION_PREFIX: artifact.softwareVersionPrefix ?? '',
    TARGETARCH: artifact.arch,
    VARIANT: artifact.variant,
    VERSION: artifact.version ?? '',
    VERSION_ID: artifact.version ?? '',
  };
  return Object.entries(values)
    .filter(([, value]) => value !== '')
    .map(([key, value]) => `KAIROS_${key}="${value.replace(/["\\$`]/g, '\\$&')}"\n`)
    .join('');
}
