import { basename } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { KairosError, reasonOf } from '@kairos/facts/errors';
import { formatSize } from '@kairos/facts/size';
import { stepFault } from '@kairos/host/fault-point';
import type { Host } from '@kairos/host/host';
import { throwIfStopped, writeDevice } from '@kairos/host/streams';
import type { Cleanup } from '../cleanup.ts';
import type { ReportProgress } from '../progress.ts';
import { copySlot, type SlotSource, slotInDirectory } from '../slots/copy-slot.ts';
import { filesystemCommand } from '../slots/make-filesystem.ts';
import type { ChrootStage } from '../stages/chroot-stage.ts';
import { describeStep } from './describe-step.ts';
import { firstInstallation, formatRecord } from './record.ts';
import type { InstallAction } from './step.ts';

export interface InstallContext {
  readonly host: Host;
  /** The image; preparation has none yet. */
  readonly image: SlotSource | undefined;
  readonly cleanup: Cleanup;
  readonly signal: AbortSignal;
  /** Runs a stage; throws where a step of it failed. */
  readonly runStage: (stage: string) => Promise<void>;
  /** Installs `install.bundles`; throws where one could not be. */
  readonly installBundles?: (target: { readonly oem: string; readonly persistent: string }) => Promise<void>;
  /** Runs a stage in the system of a slot; throws where a step of it failed. */
  readonly runChrootStage?: (stage: ChrootStage) => Promise<void>;
  /** Failing stages and hooks end the installation; else they are warnings. */
  readonly strict: boolean;
  readonly report: ReportProgress;
  readonly warn: (message: string) => void;
  readonly now: () => Date;
  /** What goes on when a stage fails, for warnings. Default: the installation. */
  readonly operation?: string;
  /** Name of the plan, by which tests find the points between its steps. Default: `install`, or `upgrade`. */
  readonly plan?: string;
}

type Action<Kind extends InstallAction['kind']> = Extract<InstallAction, { kind: Kind }>;

async function tolerantly(context: InstallContext, what: string, run: () => Promise<unknown>): Promise<void> {
  try {
    await run();
  } catch (error) {
    if (context.strict || context.signal.aborted) throw error;
    context.warn(`${what} failed and ${context.operation ?? 'the installation'} goes on: ${reasonOf(error)}`);
  }
}

/** How often the kernel is asked whether it knows the new partitions, and how long it may take, in milliseconds. */
const pollInterval = 100;
const partitionTimeout = 15_000;

/** Waits until a device manager, where there is one, has done what it has to do. */
async function settle(host: Host): Promise<void> {
  if (host.which('udevadm')) await host.run(['udevadm', 'settle', '--timeout=30'], { okCodes: [0, 1] });
}

/** The kernel's view of a partition has to be the new one, not a node left from the old table. */
function isKnown(host: Host, partition: Action<'partition'>['partitions'][number]): boolean {
  const folder = `/sys/class/block/${basename(partition.path)}`;
  const read = (name: string) => Number(host.files.readTextIfAny(`${folder}/${name}`) ?? Number.NaN) * 512;
  return (
    read('start') === partition.start &&
    read('size') === partition.size &&
    host.files.status(partition.path)?.kind === 'device'
  );
}

async function partition(step: Action<'partition'>, { host, signal }: InstallContext): Promise<void> {
  await host.run(['sfdisk', '--wipe', 'always', '--wipe-partitions', 'always', step.device], {
    input: step.script,
    signal,
  });
  const missing = () => step.partitions.filter((one) => !isKnown(host, one));
  const deadline = performance.now() + partitionTimeout;
  for (let asked = false; missing().length > 0; asked = true) {
    throwIfStopped(signal);
    if (performance.now() > deadline) {
      throw new KairosError(
        'PARTITIONS_NOT_SEEN',
        `The kernel does not show the new partitions of ${step.device}: ${missing()
          .map(({ path }) => path)
          .join(', ')}`,
        {
          exit: 'unsuitableDisk',
          hint: 'Something may hold the disk; restart the machine and install again',
        },
      );
    }
    // The kernel refuses to read a table anew while a device manager looks at the old one.
    if (!asked) await settle(host);
    if (missing().length > 0) await host.run(['partx', '--update', step.device], { okCodes: [0, 1] });
    if (missing().length > 0) await delay(pollInterval);
  }
  await settle(host);
}

async function copy(step: Action<'copy-slot'>, context: InstallContext): Promise<void> {
  const { host, image, signal, report } = context;
  if (!image) throw new Error('a slot cannot be copied before there is an image');
  const source = step.from === undefined ? image : slotInDirectory(host.files, step.from, image);
  const name = basename(step.to);
  // Every byte is written and read back.
  const total = 2 * step.size;
  let done = 0;
  report({ step: name, message: `copying ${formatSize(step.size)} to ${step.to}`, done, total });
  await copySlot(host.files, source, step.to, {
    signal,
    onBytes(count) {
      done += count;
      report({ step: name, message: `copying ${formatSize(step.size)} to ${step.to}`, done, total });
    },
  });
}

/** Carries out one step. What it leaves on the machine while the work goes on is put on `context.cleanup`. */
export async function carryOut(step: InstallAction, context: InstallContext): Promise<void> {
  const { host, cleanup, signal } = context;
  throwIfStopped(signal);
  switch (step.kind) {
    case 'stage':
      return tolerantly(context, `The stage ${step.stage}`, () => context.runStage(step.stage));
    case 'chroot-stage':
      return tolerantly(context, `The stage ${step.stage}`, async () => {
        if (!context.runChrootStage) throw new Error('nothing here can run it');
        await context.runChrootStage(step);
      });
    case 'bundles':
      return tolerantly({ ...context, strict: step.fatal }, 'install.bundles', async () => {
        if (!context.installBundles) throw new Error('nothing here can install bundles');
        await context.installBundles(step);
      });
    case 'hook':
      if (!host.files.exists(step.program)) return;
      return tolerantly(context, step.program, () => host.run([host.files.real(step.program)], { signal }));
    case 'stop-if-asked': {
      const reason = host.files.readTextIfAny(step.path);
      if (reason === undefined) return;
      throw new KairosError('INSTALL_STOPPED', `${step.path} stops the installation: ${reason.trim()}`, {
        exit: 'wrongState',
        hint: 'A stage or a hook wrote this file; it says why',
      });
    }
    case 'partition':
      return partition(step, context);
    case 'make-filesystem': {
      const command = filesystemCommand(step);
      if (command) await host.run([...command], { signal });
      return;
    }
    case 'write-device':
      writeDevice(host.files, step.device, step.content, step.offset);
      // A device manager looks at a disk again that was written to, and its partitions are gone for a moment.
      return settle(host);
    case 'mount':
      host.files.makeDirectory(step.target);
      host.mount({ source: step.device, target: step.target, type: step.type, options: step.options });
      cleanup.push(step.target, () => {
        try {
          host.unmount(step.target);
        } catch {
          // Busy: detached now, it goes when the last user is gone.
          host.unmount(step.target, { lazy: true });
        }
      });
      return;
    case 'remove':
      return host.files.remove(step.path);
    case 'copy-slot':
      return copy(step, context);
    case 'write-file':
      return host.files.write(step.path, step.content, { mode: step.mode });
    case 'record':
      return host.files.write(step.path, formatRecord(firstInstallation(step.source, context.now())));
    case 'checkpoint':
      return host.checkpoint(step.mountPoint);
    case 'unmount':
      return cleanup.take(step.target, () => host.unmount(step.target));
  }
}

/** Carries out steps in order, telling each. */
export async function carryOutAll(
  steps: readonly (InstallAction & { readonly phase?: string })[],
  context: InstallContext,
  onPhase: (phase: string) => void = () => undefined,
): Promise<void> {
  const plan = context.plan ?? 'install';
  for (const [index, step] of steps.entries()) {
    if (step.phase !== undefined) onPhase(step.phase);
    if (step.kind !== 'copy-slot') {
      context.report({ step: step.phase ?? 'prepare', message: describeStep(step) });
    }
    stepFault(plan, index, step.kind, 'before');
    await carryOut(step, context);
    stepFault(plan, index, step.kind, 'after');
  }
}
