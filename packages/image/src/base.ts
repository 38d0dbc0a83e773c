import { KairosError } from '@kairos/facts/errors';
import { didYouMean } from '@kairos/facts/suggest';

/** Where a root comes from. */
export type Base =
  | { readonly kind: 'debian'; readonly release: string }
  | { readonly kind: 'dir' | 'tar' | 'oci' | 'oci-archive' | 'docker-archive'; readonly path: string };

export const baseKinds = ['debian', 'dir', 'tar', 'oci', 'oci-archive', 'docker-archive'] as const;

const forms =
  'debian:<suite>, dir:<directory>, tar:<archive>, oci:<layout>, oci-archive:<file>, docker-archive:<file>';

/**
 * Reads a base as a user writes it, `debian:13` or `tar:root.tar`.
 * @throws KairosError `BASE_UNKNOWN`
 */
export function parseBase(text: string): Base {
  const separator = text.indexOf(':');
  const kind = separator < 0 ? text : text.slice(0, separator);
  const rest = separator < 0 ? '' : text.slice(separator + 1);
  if (rest !== '' && kind === 'debian') return { kind, release: rest };
  if (rest !== '' && kind !== 'debian' && (baseKinds as readonly string[]).includes(kind)) {
    return { kind: kind as Exclude<(typeof baseKinds)[number], 'debian'>, path: rest };
  }
  const meant = didYouMean(kind, baseKinds);
  throw new KairosError(
    'BASE_UNKNOWN',
    (baseKinds as readonly string[]).includes(kind)
      ? `The base ${JSON.stringify(text)} names nothing behind ${kind}:`
      : `The base ${JSON.stringify(text)} is of no known kind${meant === undefined ? '' : `, did you mean ${JSON.stringify(`${meant}:${rest}`)}?`}`,
    { exit: 'invalidInput', hint: `Bases are ${forms}.` },
  );
}

/** A base as its user writes it. */
export function showBase(base: Base): string {
  return `${base.kind}:${base.kind === 'debian' ? base.release : base.path}`;
}
