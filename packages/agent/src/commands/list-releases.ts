import { KairosError, reasonOf } from '@kairos/facts/errors';
import type { Host } from '@kairos/host/host';
import { fileCredentials } from '@kairos/oci/credentials';
import { parseReference, printReference } from '@kairos/oci/reference';
import { machineRegistries } from '@kairos/oci/registries-config';
import { openRegistry, type RegistryOptions } from '@kairos/oci/registry';
import { machineAuthorities } from '@kairos/oci/trusted-authorities';
import { stringify } from 'yaml';
import type { ProviderBus } from '../providers/bus.ts';
import { nodeProviders } from '../providers/node-providers.ts';
import { availableReleases, versionImage } from '../providers/questions.ts';
import { type Release, releaseReader, releasesFor, runningArtifact } from '../sources/release-list.ts';

export interface ListReleasesOptions {
  /** Registry and organization, such as `quay.io/kairos`, which is the default. */
  readonly registry?: string;
  /** Pre-releases too. */
  readonly pre: boolean;
  /** Older ones and the running one too. */
  readonly all: boolean;
  readonly insecure?: boolean;
  readonly registryOptions?: RegistryOptions;
  readonly signal?: AbortSignal;
  readonly warn: (message: string) => void;
}

export interface ListedRelease extends Release {
  /** For `upgrade --source`. */
  readonly source: string;
}

export interface ReleaseList {
  /** Version of this node. */
  readonly current: string;
  /** Where the tags are, or the plug-in that named them. */
  readonly from: string;
  /** Newest first. */
  readonly releases: readonly ListedRelease[];
}

const defaultRegistry = 'quay.io/kairos';

/** The registry of the images, by what the running image says of itself where it does. */
function registryOf(host: Host, options: ListReleasesOptions): string {
  const own = releaseReader(host.files)('REGISTRY_AND_ORG');
  const { registry } = options;
  if (own !== '' && registry !== undefined && registry !== own) {
    options.warn(`This image comes from ${own}; ${registry} is asked, as --registry says`);
  }
  return (registry ?? (own || defaultRegistry)).replace(/\/+$/, '');
}

/** Where a plug-in says that the image of its release is; `undefined` where it says nothing that is an image. */
async function sourceOf(
  bus: ProviderBus,
  { tag }: Release,
  warn: (message: string) => void,
): Promise<string | undefined> {
  const answer = (await versionImage(bus, tag))?.trim();
  if (!answer) return undefined;
  const reference = answer.replace(/^(?:oci|docker):(?:\/\/)?/, '');
  try {
    return `oci:${printReference(parseReference(reference))}`;
  } catch (error) {
    warn(`A plug-in names an image for ${tag} that is none: ${reasonOf(error)}`);
    return undefined;
  }
}

/**
 * Lists what this node may be upgraded to: what a plug-in answers to `agent.available_releases`, with the images that it
 * names for them (`agent.version_image`), else the tags of the
 * registry that fit the flavor, variant, architecture and model of the running image.
 * @throws KairosError `RELEASE_UNKNOWN`, `REFERENCE_INVALID`, `IMAGE_NOT_FOUND`, `REGISTRY_*`
 */
export async function listReleases(host: Host, options: ListReleasesOptions): Promise<ReleaseList> {
  const node = runningArtifact(host.files);
  const lacking = (['flavor', 'flavorRelease', 'variant', 'arch'] as const).filter((key) => !node[key]);
  if (lacking.length > 0) {
    throw new KairosError(
      'RELEASE_UNKNOWN',
      `/etc/kairos-release does not say what this system is: ${lacking.join(', ')}`,
      { exit: 'wrongState', hint: 'Run it on a node that was made from an OS image' },
    );
  }
  const place = registryOf(host, options);
  const reference = parseReference(`${place}/${node.flavor}`);
  const named = (release: Release): ListedRelease => {
    const { tag: _, ...repository } = reference;
    return { ...release, source: `oci:${printReference({ ...repository, tag: release.tag })}` };
  };
  let fromProvider: string[] | undefined;
  let bus: ProviderBus | undefined;
  try {
    const node = await nodeProviders(host, { warn: options.warn });
    bus = node.bus;
    fromProvider = bus.providers.length > 0 ? await availableReleases(bus, node.config) : undefined;
  } catch (error) {
    options.warn(`The plug-ins cannot be asked, the registry is instead: ${reasonOf(error)}`);
  }
  const wish = { all: options.all, pre: options.pre };
  const current = node.version ?? '';
  if (bus !== undefined && fromProvider !== undefined) {
    // A plug-in decides itself what fits; only the order and what is newer is ours, where the tags tell.
    const known = new Map(releasesFor(node, fromProvider, wish).map((release) => [release.tag, release]));
    const others = fromProvider
      .filter((tag) => releasesFor(node, [tag], { all: true, pre: true }).length === 0)
      .map((tag): Release => ({ tag, version: tag, preRelease: false }));
    const releases: ListedRelease[] = [];
    let asks = true;
    for (const release of [...known.values(), ...others]) {
      const source: string | undefined = asks ? await sourceOf(bus, release, options.warn) : undefined;
      // Who does not know where one is does not know it of the others.
      asks = source !== undefined;
      releases.push(source === undefined ? named(release) : { ...release, source });
    }
    return { current, from: 'a plug-in', releases };
  }
  const registry = openRegistry(reference, {
    credentials: fileCredentials(host),
    certificateAuthorities: machineAuthorities(host),
    places: machineRegistries(host),
    ...(options.insecure ? { insecure: true } : {}),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
    ...options.registryOptions,
  });
  try {
    return {
      current,
      from: `${place}/${node.flavor}`,
      releases: releasesFor(node, await registry.tags(), wish).map(named),
    };
  } finally {
    registry.close();
  }
}

/** The list as YAML. */
export function releasesToYaml(list: ReleaseList): string {
  return stringify(list, { aliasDuplicateObjects: false });
}
