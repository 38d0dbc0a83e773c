import type { Clock } from '@kairos/host/clock';
import type { Host } from '@kairos/host/host';
import type { Mount } from '@kairos/host/mount-table';
import type { BlockDevice, BlockDevices } from './block-devices.ts';
import type { BootFacts } from './boot-facts.ts';
import type { LoadHardware } from './hardware.ts';
import type { Layout } from './layout.ts';

/** Something that went wrong in a stage, as the boot report tells it. */
export interface StageTrouble {
  readonly stage: string;
  readonly severity: 'error' | 'warning';
  readonly message: string;
  /** `file:line:column`. */
  readonly position?: string;
  readonly step?: string;
}

/** Runs a stage over the directories of the system; never throws for a failed step. */
export type StageRunner = (host: Host, stage: string) => Promise<readonly StageTrouble[]>;

/** What the steps of one boot share. */
export interface BootContext {
  readonly host: Host;
  readonly facts: BootFacts;
  readonly clock: Clock;
  readonly devices: BlockDevices;
  readonly loadHardware: LoadHardware;
  readonly runStage: StageRunner;
  /** Mounts made so far, as `/etc/fstab` should list them. */
  readonly mounted: Mount[];
  readonly stageTroubles: StageTrouble[];
  /** Devices of mounted volumes by mount point. A volume without one is a stand-in. */
  readonly volumes: Map<string, BlockDevice>;
  /** Paths whose persistent directory could not be made ready, with the reason. */
  seedFailures: ReadonlyMap<string, string>;
  /** What is bound from an earlier run; `undefined` before the first bind asks. */
  boundBefore: ReadonlySet<string> | undefined;
  layout: Layout | undefined;
  machineId: string | undefined;
  hostname: string | undefined;
}
