import { type Architecture, architectures } from '@kairos/facts/architecture';
import { KairosError } from '@kairos/facts/errors';
import { didYouMean } from '@kairos/facts/suggest';
import { z } from 'zod';
import { readDocument } from './read-document.ts';
import type { OsRelease } from './release.ts';
import { flavorFiles } from './system-data.ts';

export const inits = ['systemd', 'sysvinit', 'openrc'] as const;
export type Init = (typeof inits)[number];

export const families = ['debian', 'redhat', 'suse', 'alpine', 'arch'] as const;
export type Family = (typeof families)[number];

/** What packages are for. A flavor names its packages by role, components ask for roles. */
export const roles = [
  'base',
  'kernel',
  'systemd',
  'sysvinit',
  'openrc',
  'network',
  'ssh',
  'storage',
  'grub-bios',
  'grub-efi',
  'grub-signed',
  'grub-tools',
  'initrd-thin',
  'initrd-dracut',
  'nohang',
] as const;
export type Role = (typeof roles)[number];

const packageSchema = z.union([
  z.string().min(1),
  z.strictObject({
    name: z.string().min(1),
    /** Only on these. `{architecture}` in a name stands for the one that is built for. */
    architectures: z.array(z.enum(architectures)).optional(),
    /** First and last release that have the package, compared as versions. */
    since: z.string().optional(),
    until: z.string().optional(),
  }),
]);

export const flavorSchema = z.strictObject({
  name: z.string().regex(/^[a-z][a-z0-9-]*$/),
  title: z.string().min(1),
  family: z.enum(families),
  /** `ID` in `/etc/os-release`. */
  osRelease: z.array(z.string()).min(1),
  /** How the release in names is made from `VERSION_ID`. */
  releaseFrom: z.enum(['version', 'major', 'major-minor', 'rolling']).default('version'),
  /** Word before the release, such as `leap-` in `leap-15.6`, by `ID`. */
  releasePrefixes: z.record(z.string(), z.string()).default({}),
  packageManager: z.enum(['apt', 'dnf', 'zypper', 'apk', 'pacman']),
  libc: z.enum(['glibc', 'musl']),
  /** Init systems that it can be built with; the first is the default. */
  inits: z.array(z.enum(inits)).min(1),
  releases: z.array(
    z.strictObject({
      version: z.string(),
      codename: z.string().optional(),
      /** `booted`: the tests boot it. `planned`: packages and steps are computed, nobody has booted it. */
      status: z.enum(['booted', 'planned']),
    }),
  ),
  packages: z.partialRecord(z.enum(roles), z.array(packageSchema)),
  /** Commands before packages are installed, each as an argument array. */
  prepare: z.array(z.array(z.string()).min(1)).default([]),
  /** Names of services by role, where the distribution does not enable them itself. */
  services: z.partialRecord(z.enum(roles), z.string()).default({}),
  /** Directories that must be there on a read-only root for this distribution's programs. */
  mountPoints: z.array(z.string().startsWith('/')).default([]),
});
export type Flavor = z.infer<typeof flavorSchema>;

let cache: readonly Flavor[] | undefined;
/** All flavors, by name. */
export function allFlavors(): readonly Flavor[] {
  cache ??= Object.entries(flavorFiles)
    .filter(([path]) => path.endsWith('.yaml'))
    .map(([path, text]) => readDocument(flavorSchema, text, `flavors/${path}`, 'FLAVOR').value);
  return cache;
}

/** @throws KairosError `FLAVOR_UNKNOWN` */
export function flavorNamed(name: string): Flavor {
  const flavors = allFlavors();
  const found = flavors.find((flavor) => flavor.name === name);
  if (found) return found;
  const known = flavors.map((flavor) => flavor.name);
  const meant = didYouMean(name, known);
  throw new KairosError(
    'FLAVOR_UNKNOWN',
    `There is no flavor ${JSON.stringify(name)}${meant === undefined ? '' : `, did you mean ${JSON.stringify(meant)}?`}`,
    { exit: 'invalidInput', hint: `Known flavors: ${known.join(', ')}.` },
  );
}

/** Words of `ID_LIKE` that lead to a flavor whose rules fit, most specific first. */
const likeFlavors: readonly (readonly [word: string, flavor: string])[] = [
  ['ubuntu', 'ubuntu'],
  ['debian', 'debian'],
  ['rhel', 'rocky'],
  ['centos', 'rocky'],
  ['fedora', 'fedora'],
  ['redhat', 'fedora'],
  ['suse', 'opensuse'],
  ['opensuse', 'opensuse'],
  ['alpine', 'alpine'],
  ['arch', 'arch'],
];

/**
 * The flavor of a root by its os-release: by `ID`, else by `ID_LIKE`.
 * @throws KairosError `FLAVOR_NOT_DETECTED`
 */
export function detectFlavor(release: OsRelease, from: string): Flavor {
  const id = release.ID ?? '';
  const flavors = allFlavors();
  const direct = flavors.find((flavor) => flavor.osRelease.includes(id));
  if (direct) return direct;
  const words = (release.ID_LIKE ?? '').split(/\s+/);
  for (const [word, name] of likeFlavors) {
    const found = words.includes(word) && flavors.find((flavor) => flavor.name === name);
    if (found) return found;
  }
  throw new KairosError(
    'FLAVOR_NOT_DETECTED',
    id === ''
      ? `${from} has no /etc/os-release that names a distribution`
      : `${from} is ${JSON.stringify(id)}, for which there is no flavor`,
    {
      exit: 'unsuitableImage',
      hint: `Name the flavor whose packages fit with "flavor:", one of ${flavors.map(({ name }) => name).join(', ')}.`,
    },
  );
}

/** The release in names, such as `13`, `24.04`, `leap-15.6`, `3.21`. */
export function flavorRelease(flavor: Flavor, release: OsRelease): string {
  // A distribution made of another counts its own releases; packages are those of the one below.
  if (!flavor.osRelease.includes(release.ID ?? '')) {
    const below = release[`${flavor.name.toUpperCase()}_CODENAME`];
    const known = flavor.releases.find(({ codename }) => codename !== undefined && codename === below);
    if (known !== undefined) return known.version;
  }
  const version = release.VERSION_ID ?? '';
  const parts = version.split('.');
  const prefix = flavor.releasePrefixes[release.ID ?? ''] ?? '';
  switch (flavor.releaseFrom) {
    case 'rolling':
      return 'rolling';
    case 'major':
      return `${prefix}${parts[0] ?? ''}`;
    case 'major-minor':
      return `${prefix}${parts.slice(0, 2).join('.')}`;
    default:
      return `${prefix}${version}` || (release.VERSION_CODENAME ?? '');
  }
}

const versionParts = (text: string) => text.split('.').map((part) => Number.parseInt(part, 10) || 0);
/** Compares releases as versions; a release that is not a number (`rolling`) counts as newer than all. */
export function compareReleases(a: string, b: string): number {
  const number = (text: string) => /\d/.exec(text) !== null;
  if (!number(a) || !number(b)) return Number(number(b)) - Number(number(a));
  const [left, right] = [versionParts(a.replace(/^\D+/, '')), versionParts(b.replace(/^\D+/, ''))];
  for (let index = 0; index < Math.max(left.length, right.length); index++) {
    const difference = (left[index] ?? 0) - (right[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Packages of a role for a release and an architecture, in the flavor's order. */
export function packagesFor(
  flavor: Flavor,
  role: Role,
  release: string,
  architecture: Architecture,
): string[] {
  return (flavor.packages[role] ?? []).flatMap((entry) => {
    const {
      name,
      architectures: only,
      since,
      until,
    } = typeof entry === 'string' ? { name: entry } : { architectures: undefined, ...entry };
    if (only !== undefined && !only.includes(architecture)) return [];
    if (since !== undefined && compareReleases(release, since) < 0) return [];
    if (until !== undefined && compareReleases(release, until) > 0) return [];
    return [name.replaceAll('{architecture}', architecture)];
  });
}
