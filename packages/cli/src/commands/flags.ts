import { KairosError } from '@kairos/facts/errors';

/** Flags that many commands share, so that they read and behave the same everywhere. */
export const jsonFlag = { kind: 'boolean', brief: 'Print machine-readable JSON', default: false } as const;
export const dryRunFlag = {
  kind: 'boolean',
  brief: 'Print what would be done, and do nothing',
  default: false,
} as const;
export const quietFlag = { kind: 'boolean', brief: 'Show no progress', default: false } as const;
export const insecureFlag = {
  kind: 'boolean',
  brief: 'Registries may speak http or have a certificate that nobody vouches for',
  default: false,
  withNegated: false,
} as const;

export const text = (value: string): string => value;

const units: Readonly<Record<string, number>> = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3, t: 1024 ** 4 };

/**
 * Reads a size such as `8G`, `8GiB` or `8589934592`; units are powers of 1024.
 * @throws KairosError `SIZE_INVALID`
 */
export function parseSize(value: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?$/i.exec(value.trim());
  const unit = units[(match?.[2] ?? '?').toLowerCase()];
  if (!match || unit === undefined) {
    throw new KairosError('SIZE_INVALID', `${value} is not a size`, {
      hint: 'Write a number of bytes or a number with a unit, such as 8G or 512M',
      exit: 'usage',
    });
  }
  return Math.round(Number(match[1]) * unit);
}
