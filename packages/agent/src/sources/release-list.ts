import { paths } from '@kairos/facts/paths';
import type { HostFiles } from '@kairos/host/host';
import { parseRelease } from '@kairos/image/release';
import type { Artifact } from './artifact-name.ts';

/**
 * What the running image says of itself under a key: `KAIROS_<key>`, then `<key>`, in `/etc/kairos-release`, then in
 * `/etc/os-release`; `''` where nothing does.
 */
export function releaseReader(files: HostFiles): (key: string) => string {
  const documents = [paths.kairosRelease, paths.osRelease].map((path) =>
    parseRelease(files.readTextIfAny(path) ?? ''),
  );
  return (key) => {
    for (const document of documents) {
      const value = document[`KAIROS_${key}`] ?? document[key];
      if (value) return value;
    }
    return '';
  };
}

/** The running image. */
export function runningArtifact(files: HostFiles): Artifact {
  const read = releaseReader(files);
  return {
    flavor: read('FLAVOR'),
    flavorRelease: read('FLAVOR_RELEASE'),
    variant: read('VARIANT'),
    model: read('MODEL') || 'generic',
    arch: read('TARGETARCH') || read('ARCH'),
    version: read('RELEASE') || read('VERSION'),
    softwareVersion: read('SOFTWARE_VERSION'),
    softwareVersionPrefix: read('SOFTWARE_VERSION_PREFIX'),
    family: read('FAMILY'),
  };
}

interface Version {
  readonly numbers: readonly [number, number, number];
  /** Identifiers of a pre-release; empty for a release. */
  readonly pre: readonly string[];
  /** What a plus sign of the version became in the tag: `k3s1`. */
  readonly build: string;
}

/** Semantic versioning 2.0, in the spelling of tags: a leading `v`, and `-` in place of `+` before a build such as `k3s1`. */
function parseVersion(text: string): Version | undefined {
  const match = /^v?(\d{1,9})\.(\d{1,9})(?:\.(\d{1,9}))?(?:-([0-9A-Za-z.-]+))?(?:\+([0-9A-Za-z.-]+))?$/.exec(
    text,
  );
  if (!match) return undefined;
  const [, major, minor, patch = '0', rest = '', plus = ''] = match;
  const parts = rest === '' ? [] : rest.split('-');
  const isBuild = (part: string) => /^(?:k[03]s|rke2)/.test(part);
  const build = parts.length > 0 && isBuild(parts.at(-1) ?? '') ? (parts.pop() ?? '') : '';
  return {
    numbers: [Number(major), Number(minor), Number(patch)],
    pre: parts.join('-').split('.').filter(Boolean),
    build: plus || build,
  };
}

const isNumber = (text: string) => /^\d+$/.test(text);

function comparePre(a: readonly string[], b: readonly string[]): number {
  if (a.length === 0 || b.length === 0) return b.length - a.length === 0 ? 0 : a.length === 0 ? 1 : -1;
  for (let index = 0; index < Math.max(a.length, b.length); index++) {
    const [x, y] = [a[index], b[index]];
    if (x === undefined) return -1;
    if (y === undefined) return 1;
    if (x === y) continue;
    if (isNumber(x) && isNumber(y)) return Number(x) - Number(y);
    if (isNumber(x) !== isNumber(y)) return isNumber(x) ? -1 : 1;
    return x < y ? -1 : 1;
  }
  return 0;
}

function compare(a: Version, b: Version): number {
  for (const index of [0, 1, 2] as const) {
    const difference = a.numbers[index] - b.numbers[index];
    if (difference !== 0) return difference;
  }
  const pre = comparePre(a.pre, b.pre);
  if (pre !== 0) return pre;
  return a.build === b.build ? 0 : a.build.localeCompare(b.build, 'en', { numeric: true });
}

export interface Release {
  readonly tag: string;
  readonly version: string;
  /** Version of what the image carries beside the system. */
  readonly softwareVersion?: string;
  readonly preRelease: boolean;
}

export interface ReleaseWish {
  /** Older ones and the running one too. */
  readonly all: boolean;
  /** Pre-releases too. */
  readonly pre: boolean;
}

interface Parsed {
  readonly release: Release;
  readonly version: Version;
  readonly software: Version | undefined;
}

function parseTag(tag: string, prefix: string, softwarePrefix: string): Parsed | undefined {
  if (!tag.startsWith(prefix)) return undefined;
  let rest = tag.slice(prefix.length);
  let software: string | undefined;
  if (softwarePrefix !== '') {
    const at = rest.search(new RegExp(`-${RegExp.escape(softwarePrefix)}v?\\d`));
    if (at < 0) return undefined;
    software = rest.slice(at + 1 + softwarePrefix.length);
    rest = rest.slice(0, at);
  }
  const version = parseVersion(rest);
  const parsedSoftware = software === undefined ? undefined : parseVersion(software);
  // Signatures and the like have tags too; another software is another image.
  if (version === undefined || version.build !== '') return undefined;
  if (software !== undefined && parsedSoftware === undefined) return undefined;
  return {
    version,
    software: parsedSoftware,
    release: {
      tag,
      version: rest,
      ...(software === undefined ? {} : { softwareVersion: software }),
      preRelease: version.pre.length > 0 || (parsedSoftware?.pre.length ?? 0) > 0,
    },
  };
}

function compareParsed(a: Parsed, b: Parsed): number {
  const difference = compare(a.version, b.version);
  if (difference !== 0 || !a.software || !b.software) return difference;
  return compare(a.software, b.software);
}

/**
 * The releases among tags that this node may be upgraded to, newest first: of the same flavor release, variant,
 * architecture, model and software.
 */
export function releasesFor(node: Artifact, tags: readonly string[], wish: ReleaseWish): Release[] {
  const prefix = `${[node.flavorRelease, node.variant, node.arch, node.model].join('-').replaceAll('+', '-')}-`;
  const softwarePrefix = node.softwareVersion ? (node.softwareVersionPrefix ?? '') : '';
  const current = parseTag(
    `${prefix}${(node.version ?? '').replaceAll('+', '-')}${
      node.softwareVersion ? `-${softwarePrefix}${node.softwareVersion.replaceAll('+', '-')}` : ''
    }`,
    prefix,
    softwarePrefix,
  );
  return [...new Set(tags)]
    .flatMap((tag) => parseTag(tag, prefix, softwarePrefix) ?? [])
    .filter(({ release }) => wish.pre || !release.preRelease)
    .filter((found) => wish.all || current === undefined || compareParsed(found, current) > 0)
    .sort((a, b) => compareParsed(b, a) || (a.release.tag < b.release.tag ? -1 : 1))
    .map(({ release }) => release);
}
