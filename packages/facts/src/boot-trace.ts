/**
 * What a start of a slot on trial leaves on the OEM partition for the system that runs after it, should it fail:
 * `initrd.txt` by the initrd, `trial.json` by immucore. docs/upgrade.md.
 */
export const bootTraces = {
  directory: '/oem/boot-failures',
  initrd: 'initrd.txt',
  immucore: 'trial.json',
} as const;

/** The word of the kernel command line that the boot loader gives a start that is counted: starts that are left. */
export const trialWord = 'kairos.trial';
/** The word in which the boot loader says what it could not load: `<slot>:<what>`. May be there for each slot. */
export const failureWord = 'kairos.failure';
