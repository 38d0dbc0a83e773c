import { buildCommand } from '@stricli/core';
import { type Context, routeMap } from '../application.ts';
import { insecureFlag, jsonFlag, text } from './flags.ts';

export interface ListReleasesFlags {
  readonly registry?: string;
  readonly pre: boolean;
  readonly all: boolean;
  readonly output?: 'json' | 'yaml' | 'terminal';
  readonly allowInsecureRegistries: boolean;
  readonly json: boolean;
}

export const listReleasesCommand = buildCommand<ListReleasesFlags, [], Context>({
  docs: {
    brief: 'List the releases that this node can be upgraded to',
    fullDescription:
      'Lists the tags of REGISTRY/FLAVOR that fit the release, variant, architecture and model of this system, newest first: what is newer than the running one and no pre-release.',
  },
  parameters: {
    flags: {
      registry: {
        kind: 'parsed',
        parse: text,
        brief: 'Registry and organization; default: that of this image, else quay.io/kairos',
        placeholder: 'registry',
        optional: true,
      },
      pre: { kind: 'boolean', brief: 'Pre-releases too', default: false, withNegated: false },
      all: {
        kind: 'boolean',
        brief: 'Older releases and the running one too',
        default: false,
        withNegated: false,
      },
      output: {
        kind: 'enum',
        values: ['json', 'yaml', 'terminal'],
        brief: 'Form of the list',
        optional: true,
      },
      allowInsecureRegistries: insecureFlag,
      json: jsonFlag,
    },
  },
  async func(flags) {
    const { listReleasesVerb } = await import('../release-verbs.ts');
    this.process.stdout.write(await listReleasesVerb(flags));
  },
});

export interface PullImageFlags {
  readonly platform?: string;
  readonly allowInsecureRegistries: boolean;
  readonly json: boolean;
}

export const pullImageCommand = buildCommand<PullImageFlags, [string, string], Context>({
  docs: { brief: 'Unpack the layers of an image into a directory' },
  parameters: {
    flags: {
      platform: {
        kind: 'parsed',
        parse: text,
        brief: 'Platform, such as linux/arm64; default: that of this machine',
        placeholder: 'platform',
        optional: true,
      },
      allowInsecureRegistries: insecureFlag,
      json: jsonFlag,
    },
    positional: {
      kind: 'tuple',
      parameters: [
        { brief: 'Image: a reference, oci:, ocifile:, docker-archive:', placeholder: 'image', parse: text },
        { brief: 'Directory, empty or not there', placeholder: 'directory', parse: text },
      ],
    },
  },
  async func(flags, image, directory) {
    const { pullImageVerb } = await import('../release-verbs.ts');
    this.process.stdout.write(await pullImageVerb(image, directory, flags));
  },
});

/** Flags of versioneer by the environment variables that give their defaults. */
const artifactVariables = {
  flavor: 'FLAVOR',
  flavorRelease: 'FLAVOR_RELEASE',
  variant: 'VARIANT',
  model: 'MODEL',
  arch: 'TARGETARCH',
  version: 'RELEASE',
  softwareVersion: 'SOFTWARE_VERSION',
  softwareVersionPrefix: 'SOFTWARE_VERSION_PREFIX',
  family: 'FAMILY',
  registryAndOrg: 'REGISTRY_AND_ORG',
  id: 'ID',
  githubRepo: 'GITHUB_REPO',
  bugReportUrl: 'BUG_REPORT_URL',
  projectHomeUrl: 'PROJECT_HOME_URL',
} as const;
export type ArtifactFlag = keyof typeof artifactVariables;
export type ArtifactFlags = Partial<Record<ArtifactFlag, string>>;
export const versioneerVerbs = [
  'container-artifact-name',
  'bootable-artifact-name',
  'base-container-artifact-name',
  'os-release-variables',
] as const;
export type VersioneerVerb = (typeof versioneerVerbs)[number];

const artifactFlag = (variable: string) =>
  ({
    kind: 'parsed',
    parse: text,
    brief: `Default: the environment variable ${variable}`,
    placeholder: 'value',
    optional: true,
  }) as const;

function versioneerCommand(verb: VersioneerVerb, brief: string) {
  return buildCommand<ArtifactFlags, [], Context>({
    docs: { brief },
    parameters: {
      flags: {
        flavor: artifactFlag(artifactVariables.flavor),
        flavorRelease: artifactFlag(artifactVariables.flavorRelease),
        variant: artifactFlag(artifactVariables.variant),
        model: artifactFlag(artifactVariables.model),
        arch: artifactFlag(artifactVariables.arch),
        version: artifactFlag(artifactVariables.version),
        softwareVersion: artifactFlag(artifactVariables.softwareVersion),
        softwareVersionPrefix: artifactFlag(artifactVariables.softwareVersionPrefix),
        family: artifactFlag(artifactVariables.family),
        registryAndOrg: artifactFlag(artifactVariables.registryAndOrg),
        id: artifactFlag(artifactVariables.id),
        githubRepo: artifactFlag(artifactVariables.githubRepo),
        bugReportUrl: artifactFlag(artifactVariables.bugReportUrl),
        projectHomeUrl: artifactFlag(artifactVariables.projectHomeUrl),
      },
    },
    async func(flags) {
      const { versioneerVerb } = await import('../release-verbs.ts');
      const value = (flag: ArtifactFlag) => flags[flag] ?? this.process.env[artifactVariables[flag]] ?? '';
      this.process.stdout.write(versioneerVerb(verb, value));
    },
  });
}

export const versioneerRoutes = routeMap({
  routes: {
    'container-artifact-name': versioneerCommand(
      'container-artifact-name',
      'Print the reference of an image: REGISTRY/FLAVOR:TAG',
    ),
    'bootable-artifact-name': versioneerCommand(
      'bootable-artifact-name',
      'Print the name of the file of a medium',
    ),
    'base-container-artifact-name': versioneerCommand(
      'base-container-artifact-name',
      'Print the reference of the image that a system is laid into',
    ),
    'os-release-variables': versioneerCommand(
      'os-release-variables',
      'Print the lines that os-release has for an image',
    ),
  },
  docs: { brief: 'Names of images and media by what is in them' },
});
