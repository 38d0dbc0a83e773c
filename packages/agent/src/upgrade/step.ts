import type { BootloaderStep } from '../boot/bootloader-update.ts';
import type { EnvironmentStep } from '../boot/environment.ts';
import type { InstallAction } from '../install/step.ts';
import type { UpgradeJournal } from './journal.ts';
import type { SlotAction } from './leftovers.ts';

/** Parts of an upgrade, for progress. */
export type UpgradePhase =
  | 'recover'
  | 'before-upgrade'
  | 'copy'
  | 'bootloader'
  | 'switch'
  | 'cleanup'
  | 'boot-entry'
  | 'after-upgrade'
  | 'done';

/** One step, as data. Whoever carries it out needs nothing else but the image. */
export type UpgradeAction =
  | Extract<
      InstallAction,
      { kind: 'stage' | 'chroot-stage' | 'hook' | 'remove' | 'write-file' | 'write-device' }
    >
  | BootloaderStep
  /** Makes a mounted partition writable until the end. */
  | {
      readonly kind: 'make-writable';
      readonly mountPoint: string;
      /** Where it stays read-only, that is told, and so is all that cannot be written there. */
      readonly optional?: boolean;
    }
  /** Writes the image's files into a directory; those that are there and right stay. */
  | {
      readonly kind: 'copy-image';
      readonly to: string;
      /** Bytes to be written. */
      readonly size: number;
      readonly present: readonly string[];
      /** Bytes that an interrupted run has left of a file, which is continued. */
      readonly partial: Readonly<Record<string, number>>;
      /** Files of slots here with the same content, which are copied instead of fetched. */
      readonly local: Readonly<Record<string, string>>;
    }
  /** Has the node's configuration checked by the agent in the image that was copied. */
  | {
      readonly kind: 'check-config';
      readonly rootImage: string;
      readonly filesystem: string;
      readonly force: boolean;
    }
  | { readonly kind: 'write-journal'; readonly path: string; readonly journal: UpgradeJournal }
  | SlotAction
  | EnvironmentStep
  | {
      readonly kind: 'record';
      readonly path: string;
      readonly what: 'active' | 'recovery';
      readonly source: string;
    };

export type UpgradeStep = UpgradeAction & { readonly phase: UpgradePhase };
