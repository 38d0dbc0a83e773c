import type { PartitionFilesystem } from '@kairos/artifacts/disk-layout';
import type { ChrootStage } from '../stages/chroot-stage.ts';

/** Parts of an installation in the words that progress lines have. */
export type InstallPhase =
  | 'partition'
  | 'before-install'
  | 'active'
  | 'bootloader'
  | 'recovery'
  | 'passive'
  | 'after-install'
  | 'done';

/** One step, as data. Whoever carries it out needs nothing else but the image. */
export type InstallAction =
  | { readonly kind: 'stage'; readonly stage: string }
  | ChrootStage
  /** Installs bundles onto the partitions of the new system. */
  | {
      readonly kind: 'bundles';
      readonly targets: readonly string[];
      readonly oem: string;
      readonly persistent: string;
      /** A failure ends the installation; else it is a warning. */
      readonly fatal: boolean;
    }
  /** A program that the image or the user may have put there. */
  | { readonly kind: 'hook'; readonly program: string }
  /** Stops the installation if the file is there. */
  | { readonly kind: 'stop-if-asked'; readonly path: string }
  | {
      readonly kind: 'partition';
      readonly device: string;
      /** Input of sfdisk. */
      readonly script: string;
      readonly partitions: readonly {
        readonly path: string;
        readonly start: number;
        readonly size: number;
      }[];
    }
  | {
      readonly kind: 'make-filesystem';
      readonly device: string;
      readonly filesystem: PartitionFilesystem;
      readonly label: string;
      /** GRUB reads it, so it has only features that GRUB knows. */
      readonly forBootLoader: boolean;
    }
  | {
      readonly kind: 'write-device';
      readonly device: string;
      readonly offset: number;
      readonly content: Uint8Array;
    }
  | {
      readonly kind: 'mount';
      readonly device: string;
      readonly target: string;
      readonly type: string;
      readonly options: readonly string[];
    }
  | { readonly kind: 'remove'; readonly path: string }
  | {
      readonly kind: 'copy-slot';
      /** `undefined` is the image itself. */
      readonly from: string | undefined;
      readonly to: string;
      readonly size: number;
    }
  | {
      readonly kind: 'write-file';
      readonly path: string;
      readonly mode: number;
      readonly content: Uint8Array;
    }
  | { readonly kind: 'record'; readonly path: string; readonly source: string }
  /** All that was written is on the disk before anything that comes later. */
  | { readonly kind: 'checkpoint'; readonly mountPoint: string }
  | { readonly kind: 'unmount'; readonly target: string };

export type InstallStep = InstallAction & { readonly phase: InstallPhase };
