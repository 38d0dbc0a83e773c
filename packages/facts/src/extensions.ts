import type { BootState } from './boot-state.ts';

/** Kinds of extension images of systemd: what they extend, and where nodes keep them. */
export const extensionKinds = {
  /** System extensions add to `/usr` and `/opt`. */
  sysext: {
    store: '/var/lib/kairos/extensions',
    run: '/run/extensions',
    unit: 'systemd-sysext.service',
    program: 'systemd-sysext',
  },
  /** Configuration extensions add to `/etc`. */
  confext: {
    store: '/var/lib/kairos/confexts',
    run: '/run/confexts',
    unit: 'systemd-confext.service',
    program: 'systemd-confext',
  },
} as const;
export type ExtensionKind = keyof typeof extensionKinds;

/** For which boots an extension is enabled: a directory of links beside the images. */
export const extensionProfiles = ['active', 'passive', 'recovery', 'common'] as const;
export type ExtensionProfile = (typeof extensionProfiles)[number];

/** The profile of a boot, which counts beside `common`; `undefined` where a boot takes no extensions. */
export function profileOfBoot(state: BootState): Exclude<ExtensionProfile, 'common'> | undefined {
  if (state === 'active' || state === 'passive' || state === 'recovery') return state;
  return state === 'autoreset' ? 'recovery' : undefined;
}
