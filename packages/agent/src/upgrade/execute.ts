import { basename, dirname } from 'node:path/posix';
import { isSystemError, KairosError, reasonOf } from '@kairos/facts/errors';
import { formatSize } from '@kairos/facts/size';
import { stepFault } from '@kairos/host/fault-point';
import type { Host } from '@kairos/host/host';
import { replaceForBootLoader } from '@kairos/host/replace-for-boot-loader';
import { removeFatLeftovers, replaceOnFat } from '@kairos/host/replace-on-fat';
import { throwIfStopped } from '@kairos/host/streams';
import { partialPath } from '@kairos/host/verified-write';
import { setEnvironment } from '../boot/environment.ts';
import { carryOut as carryOutInstallStep, type InstallContext } from '../install/execute.ts';
import { recordUpgrade } from '../install/record.ts';
import { copySlot } from '../slots/copy-slot.ts';
import { makeWritable } from '../slots/partition-access.ts';
import type { NewImageCheck } from './new-image-check.ts';
import type { UpgradeAction, UpgradePhase, UpgradeStep } from './step.ts';

export interface UpgradeContext extends InstallContext {
  /** Has the configuration checked by the new image; not done where there is none. */
  readonly checkConfig?: (host: Host, check: NewImageCheck) => Promise<void>;
}

type Action<Kind extends UpgradeAction['kind']> = Extract<UpgradeAction, { kind: Kind }>;

async function copyImage(step: Action<'copy-image'>, context: UpgradeContext): Promise<void> {
  const { host, image, signal, report } = context;
  if (!image) throw new Error('there is no image to copy');
  const { files } = host;
  const partial = Object.keys(step.partial).map((name) =>
    basename(partialPath(name, image.manifest.files[name]?.digest ?? '')),
  );
  for (const name of files.list(step.to)) {
    if (!step.present.includes(name) && !partial.includes(name)) files.remove(`${step.to}/${name}`);
  }
  // Every byte is written and read back.
  const total = 2 * step.size;
  const message = `copying ${formatSize(step.size)} to ${step.to}`;
  let done = 0;
  report({ step: 'copy', message, done, total });
  await copySlot(files, image, step.to, {
    signal,
    present: step.present,
    local: step.local,
    warn: context.warn,
    onBytes(count) {
      done += count;
      report({ step: 'copy', message, done, total });
    },
  });
}

/** Carries out one step. What it leaves on the machine while the work goes on is put on `context.cleanup`. */
export async function carryOut(step: UpgradeAction, context: UpgradeContext): Promise<void> {
  const { host, cleanup, signal } = context;
  const { files } = host;
  throwIfStopped(signal);
  switch (step.kind) {
    case 'make-writable':
      try {
        return makeWritable(host, step.mountPoint, cleanup);
      } catch (error) {
        if (!step.optional) throw error;
        return context.warn(`${step.mountPoint} stays read-only: ${reasonOf(error)}`);
      }
    case 'copy-image':
      return copyImage(step, context);
    case 'check-config':
      return context.checkConfig?.(host, { ...step, signal, warn: context.warn });
    case 'write-journal':
      return files.write(step.path, `${JSON.stringify(step.journal)}\n`);
    case 'exchange':
      return files.exchange(step.a, step.b);
    case 'rename':
      return files.rename(step.from, step.to);
    case 'checkpoint':
      return host.checkpoint(step.mountPoint);
    case 'set-environment':
      return setEnvironment(host, step, context.warn);
    case 'write-file':
      // GRUB's menu.
      return replaceForBootLoader(host, step.path, step.content, { mode: step.mode });
    case 'record':
      try {
        return recordUpgrade(files, step.path, step.what, step.source, context.now());
      } catch (error) {
        return context.warn(`Could not record the upgrade in ${step.path}: ${reasonOf(error)}`);
      }
    case 'replace-on-fat':
      try {
        removeFatLeftovers(files, dirname(step.path));
        return replaceOnFat(files, step.path, step.content);
      } catch (error) {
        // The old file is there, and an EFI system partition that cannot be written must not keep a node from upgrades.
        if (
          context.strict ||
          !(error instanceof KairosError || isSystemError(error, 'EIO', 'EROFS', 'ENOSPC'))
        ) {
          throw error;
        }
        return context.warn(`Could not update ${step.path}: ${reasonOf(error)}`);
      }
    default:
      return carryOutInstallStep(step, { ...context, operation: 'the upgrade' });
  }
}

/** A step in words, for progress and for `--dry-run`. */
export function describeUpgradeStep(step: UpgradeAction): string {
  switch (step.kind) {
    case 'make-writable':
      return `make ${step.mountPoint} writable`;
    case 'copy-image': {
      const notes = [
        ...(step.present.length === 0 ? [] : [`${step.present.join(', ')} there already`]),
        ...Object.entries(step.partial).map(([name, size]) => `${name} continued after ${formatSize(size)}`),
        ...Object.entries(step.local).map(([name, path]) => `${name} from ${path}`),
      ];
      return `copy ${formatSize(step.size)} from the image to ${step.to} and read it back${
        notes.length === 0 ? '' : ` (${notes.join('; ')})`
      }`;
    }
    case 'check-config':
      return `have the configuration checked by the agent in ${step.rootImage}`;
    case 'write-journal':
      return `note in ${step.path} what changes places`;
    case 'exchange':
      return `exchange ${step.a} and ${step.b}`;
    case 'rename':
      return `rename ${step.from} to ${step.to}`;
    case 'checkpoint':
      return `bring the journal of ${step.mountPoint} to its place, for GRUB`;
    case 'set-environment':
      return `set ${Object.entries(step.changes)
        .map(([name, value]) => `${name}=${value}`)
        .join(' ')} in ${step.path}`;
    case 'record':
      return `record the upgrade in ${step.path}`;
    case 'replace-on-fat':
    case 'write-file':
      return `write ${step.path} (${formatSize(step.content.length)})`;
    case 'write-device':
      return `write ${formatSize(step.content.length)} of boot loader to ${step.device} at ${step.offset}`;
    case 'remove':
      return `remove ${step.path}`;
    case 'chroot-stage':
      return `run the stage ${step.stage} in the system of ${step.slot}`;
    case 'stage':
      return `run the stage ${step.stage}`;
    case 'hook':
      return `run ${step.program} if it is there`;
  }
}

/** From here on an interruption would only leave for the next start what is done in an instant. */
const uninterruptible: ReadonlySet<UpgradePhase> = new Set(['switch', 'cleanup', 'boot-entry']);

/** Carries out steps in order, telling each. */
export async function carryOutAll(
  steps: readonly UpgradeStep[],
  context: UpgradeContext,
  onPhase: (phase: UpgradePhase) => void = () => undefined,
): Promise<void> {
  const plan = context.plan ?? 'upgrade';
  for (const [index, step] of steps.entries()) {
    onPhase(step.phase);
    if (step.kind !== 'copy-image') context.report({ step: step.phase, message: describeUpgradeStep(step) });
    const signal = uninterruptible.has(step.phase) ? new AbortController().signal : context.signal;
    stepFault(plan, index, step.kind, 'before');
    await carryOut(step, { ...context, signal });
    stepFault(plan, index, step.kind, 'after');
  }
}
