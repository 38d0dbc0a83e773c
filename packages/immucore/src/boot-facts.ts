import { type BootState, bootStateOf } from '@kairos/facts/boot-state';
import { trialWord } from '@kairos/facts/boot-trace';
import { cmdlineValue, cmdlineValues } from '@kairos/facts/cmdline';
import { labels } from '@kairos/facts/labels';
import type { Mount } from '@kairos/host/mount-table';

/** What `fsck.mode=` and `fsck.repair=` ask for, in the words of systemd-fsck. */
export interface FilesystemCheck {
  readonly mode: 'auto' | 'force' | 'skip';
  readonly repair: 'preen' | 'yes' | 'no';
}

/** All that a boot is planned from, before anything has been touched. */
export interface BootFacts {
  readonly state: BootState;
  /** `kairos.slot=`: the partition and directory of the booted slot. */
  readonly slot: string | undefined;
  /** Tells images apart: the root hash of dm-verity; `undefined` where the root is not verified. */
  readonly imageHash: string | undefined;
  /** The root is a writable overlay already, as on a live boot. */
  readonly rootWritable: boolean;
  /** `rd.cos.disable`: run the stages and leave the mounts alone. */
  readonly disabled: boolean;
  readonly oem: {
    readonly label: string;
    /** The command line names the label, so the partition is expected and waited for. */
    readonly expected: boolean;
    /** Milliseconds to wait for the device. */
    readonly timeout: number;
  };
  /** `rd.cos.overlay=`, used where the layout names no backing. */
  readonly overlay: string | undefined;
  /** `rd.cos.mount=`, as written. */
  readonly mounts: readonly string[];
  readonly check: FilesystemCheck;
  /** `systemd.machine_id=`, where it is one. */
  readonly machineId: string | undefined;
  /** `kairos.trial=`: the boot loader counts this start; starts that the slot has left after it. */
  readonly trial?: number;
}

/** Default of `rd.cos.oemtimeout`, in seconds. */
const defaultOemTimeout = 5;

/** The words of ours have two spellings; the newer one wins. */
function ownValue(cmdline: string, word: string): string | undefined {
  return cmdlineValue(cmdline, `rd.immucore.${word}`) ?? cmdlineValue(cmdline, `rd.cos.${word}`);
}

function seconds(text: string | undefined): number {
  return text !== undefined && /^\d{1,4}$/.test(text) ? Number(text) : defaultOemTimeout;
}

function oneOf<Word extends string>(given: string | undefined, first: Word, ...others: Word[]): Word {
  return others.find((word) => word === given) ?? first;
}

/** Whether `/` can be written, by the mount table: the last mount on `/` is the one that counts. */
function rootIsWritable(mounts: readonly Mount[]): boolean {
  const root = mounts.findLast((mount) => mount.target === '/');
  return root !== undefined && !root.options.includes('ro');
}

/** Reads the facts off the kernel command line and the mount table. */
export function bootFactsOf(cmdline: string, mounts: readonly Mount[]): BootFacts {
  const oemLabel = ownValue(cmdline, 'oemlabel') || undefined;
  const verity = cmdlineValue(cmdline, 'kairos.verity')?.split(':', 1)[0];
  const machineId = cmdlineValue(cmdline, 'systemd.machine_id')?.replaceAll('-', '').toLowerCase();
  const trial = cmdlineValue(cmdline, trialWord);
  return {
    state: bootStateOf(cmdline),
    slot: cmdlineValue(cmdline, 'kairos.slot') || undefined,
    imageHash: verity && /^[0-9a-f]{16,}$/.test(verity) ? verity : undefined,
    rootWritable: rootIsWritable(mounts),
    disabled: ownValue(cmdline, 'disable') !== undefined,
    oem: {
      label: oemLabel ?? labels.oem,
      expected: oemLabel !== undefined,
      timeout: seconds(ownValue(cmdline, 'oemtimeout')) * 1000,
    },
    overlay: ownValue(cmdline, 'overlay') || undefined,
    mounts: [...cmdlineValues(cmdline, 'rd.cos.mount'), ...cmdlineValues(cmdline, 'rd.immucore.mount')],
    check: {
      mode: oneOf(cmdlineValue(cmdline, 'fsck.mode'), 'auto', 'force', 'skip'),
      repair: oneOf(cmdlineValue(cmdline, 'fsck.repair'), 'preen', 'yes', 'no'),
    },
    machineId: machineId && /^[0-9a-f]{32}$/.test(machineId) ? machineId : undefined,
    ...(/^\d$/.test(trial ?? '') ? { trial: Number(trial) } : {}),
  };
}
