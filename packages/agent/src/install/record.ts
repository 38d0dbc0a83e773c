import type { HostFiles } from '@kairos/host/host';

import { parse, stringify } from 'yaml';
import { isMapping } from '../collect-config.ts';

/** What happened to a node: `.kairos-state` on the persistent partition. Times are RFC 3339 in UTC, or `never`. */
export interface InstallRecord {
  readonly 'first-install': string;
  readonly 'first-install-source': string;
  readonly 'last-active-upgrade': string;
  readonly 'last-active-source': string;
  readonly 'last-recovery-upgrade': string;
  readonly 'last-recovery-source': string;
  readonly 'last-reset': string;
  readonly 'last-reset-source': string;
}

function timestamp(now: Date): string {
  return now.toISOString().replace(/\.\d+Z$/, 'Z');
}

/** The record of a node that was just installed. */
export function firstInstallation(source: string, now: Date): InstallRecord {
  return {
    'first-install': timestamp(now),
    'first-install-source': source,
    'last-active-upgrade': 'never',
    'last-active-source': '',
    'last-recovery-upgrade': 'never',
    'last-recovery-source': '',
    'last-reset': 'never',
    'last-reset-source': '',
  };
}

export function formatRecord(record: InstallRecord): string {
  return stringify(record);
}

/**
 * Notes an upgrade in the record and keeps all else that is there. A record that cannot be read is put aside as
 * `.bak`.
 */
export function recordUpgrade(
  files: HostFiles,
  path: string,
  what: 'active' | 'recovery',
  source: string,
  now: Date,
): void {
  const text = files.readTextIfAny(path);
  let old: unknown;
  try {
    old = text === undefined ? undefined : parse(text);
  } catch {
    old = undefined;
  }
  const kept = isMapping(old) ? old : undefined;
  if (text !== undefined && !kept) files.write(`${path}.bak`, text);
  const unknown = { ...firstInstallation('', now), 'first-install': 'never' };
  files.write(
    path,
    stringify({
      ...unknown,
      ...kept,
      [`last-${what}-upgrade`]: timestamp(now),
      [`last-${what}-source`]: source,
    }),
  );
}

/**
 * Notes a reset. The record is made anew with the partition it is on, from what it was before; `null` is a record that
 * was not there or could not be read.
 */
export function recordReset(
  files: HostFiles,
  path: string,
  previous: Readonly<Record<string, string>> | null,
  source: string,
  now: Date,
): void {
  const unknown = { ...firstInstallation('', now), 'first-install': 'never' };
  files.write(
    path,
    stringify({ ...unknown, ...previous, 'last-reset': timestamp(now), 'last-reset-source': source }),
  );
}
