import { isSystemError, KairosError, reasonOf } from '@kairos/facts/errors';
import { labels } from '@kairos/facts/labels';
import { diskErrors } from '@kairos/host/disk-errors';
import type { Disk } from '@kairos/host/disks';
import {
  type GrubVariables,
  readGrubEnvironment,
  updateGrubEnvironment,
} from '@kairos/host/grub-environment';
import type { Host, HostFiles } from '@kairos/host/host';
import type { Cleanup } from '../cleanup.ts';
import { type OpenPartition, openPartition } from '../slots/partition-access.ts';
import { type BootEnvironment, readEnvironment } from './choice.ts';

/** The environment blocks that GRUB reads, and where they are. */
export interface BootBlocks extends BootEnvironment {
  readonly paths: {
    /** The user's block; where there is no OEM partition that can be used, the one of the installation stands in. */
    readonly user: string;
    readonly installation: string;
    readonly assessment: string;
  };
  /** Mount points that have to be made writable before a block is changed. */
  readonly readOnly: readonly string[];
}

/**
 * Opens the OEM partition; one that cannot be mounted is told and counts as missing: what is on it decides nothing that
 * could not be decided without.
 */
export function openOem(
  host: Host,
  disk: Disk,
  cleanup: Cleanup,
  warn: (message: string) => void,
): OpenPartition | undefined {
  try {
    return openPartition(host, disk, 'oem', cleanup);
  } catch (error) {
    warn(`${labels.oem} cannot be used: ${reasonOf(error)}`);
    return undefined;
  }
}

/** Reads the blocks of a disk whose `COS_STATE` is mounted at `state`. */
export function openBootBlocks(
  host: Host,
  disk: Disk,
  state: { readonly mountPoint: string; readonly writable: boolean },
  cleanup: Cleanup,
  warn: (message: string) => void,
): BootBlocks {
  const oem = openOem(host, disk, cleanup, warn);
  const paths = {
    user: oem ? `${oem.mountPoint}/grubenv` : `${state.mountPoint}/grub_oem_env`,
    installation: `${state.mountPoint}/grub_oem_env`,
    assessment: `${state.mountPoint}/boot_assessment`,
  };
  return {
    ...readBlocks(host, paths, warn),
    readOnly: [state, oem].flatMap((one) => (one && !one.writable ? [one.mountPoint] : [])),
  };
}

/** Reads the blocks where they are. */
export function readBlocks(
  host: Host,
  paths: BootBlocks['paths'],
  warn: (message: string) => void,
): Omit<BootBlocks, 'readOnly'> {
  const installation = readEnvironment(host.files, paths.installation, warn);
  return {
    paths,
    installation,
    user: paths.user === paths.installation ? {} : readEnvironment(host.files, paths.user, warn),
    assessment: readEnvironment(host.files, paths.assessment, warn),
  };
}

/** Merges variables into a GRUB environment block; an empty value removes one. */
export interface EnvironmentStep {
  readonly kind: 'set-environment';
  readonly path: string;
  readonly changes: GrubVariables;
  /** The block is ours alone: a damaged one is written anew. */
  readonly own: boolean;
}

/** What the partition of the user may answer to who writes to it. */
const writeErrors = ['ENOSPC', 'EDQUOT', 'EROFS', 'EIO', 'EUCLEAN'];

/**
 * Carries out a step; a block of the user's that cannot be changed is told and left. What is not written to our own is
 * never passed over: a new system that nobody counts could hang for ever.
 */
export function setEnvironment(host: Host, step: EnvironmentStep, warn: (message: string) => void): void {
  if (step.own) {
    if (isLost(host.files, step.path)) host.files.remove(step.path);
    updateGrubEnvironment(host, step.path, step.changes);
    return;
  }
  try {
    updateGrubEnvironment(host, step.path, step.changes);
  } catch (error) {
    if (!(error instanceof KairosError || isSystemError(error, ...writeErrors))) throw error;
    warn(`Could not set ${Object.keys(step.changes).join(', ')} in ${step.path}: ${reasonOf(error)}`);
  }
}

/** Whether a block is damaged, or lies where the disk is bad: nobody can read what it says any more. */
function isLost(files: HostFiles, path: string): boolean {
  try {
    readGrubEnvironment(files, path);
    return false;
  } catch (error) {
    return error instanceof KairosError
      ? error.code === 'GRUB_ENVIRONMENT_CORRUPT'
      : isSystemError(error, ...diskErrors);
  }
}

/**
 * Sets variables of the user's block. GRUB reads the block of the installation after it, so what that one says of
 * them goes, a variable without a value too.
 */
export function setUserVariables(blocks: BootBlocks, changes: GrubVariables): EnvironmentStep[] {
  const { paths, installation } = blocks;
  const actions: EnvironmentStep[] = [{ kind: 'set-environment', path: paths.user, changes, own: false }];
  const shadowing = Object.keys(changes).filter((name) => name in installation);
  if (paths.user !== paths.installation && shadowing.length > 0) {
    actions.push({
      kind: 'set-environment',
      path: paths.installation,
      changes: Object.fromEntries(shadowing.map((name) => [name, ''])),
      own: false,
    });
  }
  return actions;
}
