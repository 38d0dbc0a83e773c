import type { InstallAction } from '../install/step.ts';
import type { ResetAction } from './step.ts';

/** A partition beside the slots as it was found. */
export interface DataPartition {
  readonly device: string;
  readonly filesystem: ResetFilesystem;
  /** Why its file system cannot be read. */
  readonly damage: string | undefined;
  readonly mountPoints: readonly string[];
  /** Where its files are while the reset works, if they can be reached. */
  readonly place: string | undefined;
}
export type ResetFilesystem = Extract<InstallAction, { kind: 'make-filesystem' }>['filesystem'];

/** Makes its file system anew; whatever has it mounted lets go first. */
export function makeAnew(partition: DataPartition, label: string, forBootLoader: boolean): ResetAction[] {
  const { device, filesystem } = partition;
  return [
    ...partition.mountPoints.map((target): ResetAction => ({ kind: 'detach', target })),
    { kind: 'make-filesystem', device, filesystem, label, forBootLoader },
  ];
}
