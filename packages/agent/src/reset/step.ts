import type { BootloaderStep } from '../boot/bootloader-update.ts';
import type { InstallAction } from '../install/step.ts';
import type { SlotAction } from '../upgrade/leftovers.ts';
import type { UpgradeAction } from '../upgrade/step.ts';
import type { ResetJournal } from './journal.ts';

/** Parts of a reset, for progress. */
export type ResetPhase =
  | 'prepare'
  | 'copy'
  | 'format'
  | 'before-reset'
  | 'active'
  | 'passive'
  | 'bootloader'
  | 'after-reset'
  | 'done';

/** One step, as data. Whoever carries it out needs nothing else but the image. */
export type ResetAction =
  | Extract<
      InstallAction,
      {
        kind:
          | 'stage'
          | 'chroot-stage'
          | 'hook'
          | 'remove'
          | 'write-file'
          | 'write-device'
          | 'make-filesystem'
          | 'mount';
      }
    >
  | Extract<UpgradeAction, { kind: 'make-writable' | 'copy-image' | 'set-environment' }>
  | SlotAction
  | BootloaderStep
  /** Reads every byte of the image, before what cannot be had back is given up for it. */
  | { readonly kind: 'verify-image'; readonly size: number }
  | { readonly kind: 'write-reset-journal'; readonly path: string; readonly journal: ResetJournal }
  /**
   * Lets the default entry start again. A block of the user that cannot be written is overruled in the one of the
   * installation, which GRUB reads after it.
   */
  | { readonly kind: 'forget-entries'; readonly user: string | undefined; readonly installation: string }
  /** Unmounts a file system that is about to be made anew. */
  | { readonly kind: 'detach'; readonly target: string }
  /** Mounts where the running system has it, to stay. */
  | { readonly kind: 'attach'; readonly device: string; readonly target: string; readonly type: string }
  | {
      readonly kind: 'record-reset';
      readonly path: string;
      readonly source: string;
      readonly previous: ResetJournal['record'];
    };

export type ResetStep = ResetAction & { readonly phase: ResetPhase };
