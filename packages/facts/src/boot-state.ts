/** How the running system was booted. */
export type BootState = 'active' | 'passive' | 'recovery' | 'livecd' | 'autoreset' | 'unknown';

/** The name that `kairos-agent state get boot` prints; scripts compare with it. */
export const bootStateNames: Readonly<Record<BootState, string>> = {
  active: 'active_boot',
  passive: 'passive_boot',
  recovery: 'recovery_boot',
  livecd: 'livecd_boot',
  autoreset: 'autoreset_boot',
  unknown: 'unknown',
};

/** The sentinel file in `/run/cos` that says the same to shell scripts. */
export const sentinels: Readonly<Record<BootState, string>> = {
  active: 'active_mode',
  passive: 'passive_mode',
  recovery: 'recovery_mode',
  livecd: 'live_mode',
  autoreset: 'autoreset_mode',
  unknown: 'unknown',
};

/**
 * Reads the boot state off a kernel command line. The words are looked for anywhere in the line, in this order,
 * because boot loaders of the field spell the arguments around them differently.
 */
export function bootStateOf(cmdline: string): BootState {
  const words = cmdline.trim().split(/\s+/);
  const has = (...parts: string[]) => parts.some((part) => cmdline.includes(part));
  if (words.some((word) => /^kairos\.ram([.=]|$)/.test(word))) return 'active';
  if (has('kairos.reset')) return 'autoreset';
  if (has('COS_ACTIVE')) return 'active';
  if (has('COS_PASSIVE')) return 'passive';
  if (has('COS_RECOVERY', 'COS_SYSTEM', 'recovery-mode')) return 'recovery';
  if (has('live:LABEL', 'live:CDLABEL', 'netboot')) return 'livecd';
  return 'unknown';
}
