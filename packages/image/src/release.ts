import type { Architecture } from '@kairos/facts/architecture';

/** What a root says about itself in `/etc/os-release`. */
export type OsRelease = Readonly<Record<string, string>>;

/** Parses the `KEY=value` lines of os-release(5): shell quoting, no expansion. Other lines are passed over. */
export function parseRelease(text: string): OsRelease {
  const result: Record<string, string> = {};
  for (const line of text.split('\n')) {
    const match = /^([A-Za-z_][A-Za-z0-9_]*)=(.*)$/.exec(line.trim());
    if (!match) continue;
    const [, key = '', raw = ''] = match;
    const single = /^'([^']*)'$/.exec(raw);
    const double = /^"((?:[^"\\]|\\.)*)"$/.exec(raw);
    result[key] = single?.[1] ?? (double?.[1] ?? raw).replace(/\\(.)/g, '$1');
  }
  return result;
}

export interface ReleaseFacts {
  readonly version: string;
  readonly architecture: Architecture;
  readonly flavor: string;
  readonly flavorRelease: string;
  readonly family: string;
  readonly model: string;
  readonly variant: 'core' | 'standard';
  readonly fips: boolean;
  readonly trustedBoot: boolean;
  /** Version of the program that built the image. */
  readonly builder: string;
  /** With a Kubernetes provider: its version, and the word before it in artifact names. */
  readonly software?: { readonly version: string; readonly prefix: string };
}

/** `kairos-<variant>-<flavor>-<release>`. */
export function imageName(facts: Pick<ReleaseFacts, 'variant' | 'flavor' | 'flavorRelease'>): string {
  return ['kairos', facts.variant, facts.flavor, facts.flavorRelease].filter(Boolean).join('-');
}

/** A version as releases of the field spell it, with a leading `v`. */
export function releaseVersion(version: string): string {
  return /^v\d/.test(version) ? version : `v${version}`;
}

/** Entries that `/etc/kairos-release` must have. Readers of the field look each of them up. */
export const releaseKeys = [
  'KAIROS_ID',
  'KAIROS_ID_LIKE',
  'KAIROS_NAME',
  'KAIROS_VERSION',
  'KAIROS_RELEASE',
  'KAIROS_ARCH',
  'KAIROS_TARGETARCH',
  'KAIROS_FLAVOR',
  'KAIROS_FLAVOR_RELEASE',
  'KAIROS_FAMILY',
  'KAIROS_MODEL',
  'KAIROS_VARIANT',
  'KAIROS_BUG_REPORT_URL',
  'KAIROS_HOME_URL',
  'KAIROS_FIPS',
  'KAIROS_TRUSTED_BOOT',
  'KAIROS_INIT_VERSION',
] as const;

/** The text of `/etc/kairos-release`. Every value is quoted: readers of the field expect `KAIROS_RELEASE="..."`. */
export function kairosRelease(facts: ReleaseFacts): string {
  const name = imageName(facts);
  const version = releaseVersion(facts.version);
  const values: Record<string, string> = {
    KAIROS_ID: 'kairos',
    KAIROS_ID_LIKE: name,
    KAIROS_NAME: name,
    KAIROS_VERSION: version,
    KAIROS_RELEASE: version,
    KAIROS_ARCH: facts.architecture,
    KAIROS_TARGETARCH: facts.architecture,
    KAIROS_FLAVOR: facts.flavor,
    KAIROS_FLAVOR_RELEASE: facts.flavorRelease,
    KAIROS_FAMILY: facts.family,
    KAIROS_MODEL: facts.model,
    KAIROS_VARIANT: facts.variant,
    KAIROS_BUG_REPORT_URL: 'https://github.com/kairos-io/kairos/issues',
    KAIROS_HOME_URL: 'https://kairos.io',
    KAIROS_FIPS: String(facts.fips),
    KAIROS_TRUSTED_BOOT: String(facts.trustedBoot),
    KAIROS_INIT_VERSION: releaseVersion(facts.builder),
    ...(facts.software === undefined
      ? {}
      : {
          KAIROS_SOFTWARE_VERSION: facts.software.version,
          KAIROS_SOFTWARE_VERSION_PREFIX: facts.software.prefix,
        }),
  };
  return Object.entries(values)
    .map(([key, value]) => `${key}="${value.replace(/["\\$`]/g, '\\$&')}"\n`)
    .join('');
}
