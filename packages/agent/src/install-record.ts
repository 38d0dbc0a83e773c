import { stringify } from 'yaml';

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

/** The record of a node that was just installed. */
export function firstInstallation(source: string, now: Date): InstallRecord {
  return {
    'first-install': now.toISOString().replace(/\.\d+Z$/, 'Z'),
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
