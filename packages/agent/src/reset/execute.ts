import { createHash } from 'node:crypto';
import { KairosError, reasonOf } from '@kairos/facts/errors';
import { formatSize } from '@kairos/facts/size';
import { slotFiles } from '@kairos/facts/slot';
import { stepFault } from '@kairos/host/fault-point';
import { type GrubVariables, updateGrubEnvironment } from '@kairos/host/grub-environment';
import { throwIfStopped } from '@kairos/host/streams';
import { carryOut as carryOutInstallStep } from '../install/execute.ts';
import { recordReset } from '../install/record.ts';
import type { SlotSource } from '../slots/copy-slot.ts';
import {
  carryOut as carryOutUpgradeStep,
  describeUpgradeStep,
  type UpgradeContext,
} from '../upgrade/execute.ts';
import { formatResetJournal, type ResetJournal, resetStatusPath } from './journal.ts';
import type { ResetAction, ResetPhase, ResetStep } from './step.ts';

export type ResetContext = UpgradeContext;

type Action<Kind extends ResetAction['kind']> = Extract<ResetAction, { kind: Kind }>;

/** Reads the whole image and compares. */
async function verifyImage(step: Action<'verify-image'>, context: ResetContext): Promise<void> {
  const { image, signal, report } = context;
  if (!image) throw new Error('there is no image to verify');
  const message = `reading ${formatSize(step.size)} of ${image.source}`;
  let done = 0;
  for (const name of image.files.keys()) {
    const expected = image.manifest.files[name]?.digest;
    if (expected === undefined && name === slotFiles.manifest) continue;
    const found = await digestOf(image, name, (count) => {
      throwIfStopped(signal);
      done += count;
      report({ step: 'verify', message, done, total: step.size });
    });
    if (found !== expected) {
      throw new KairosError(
        'SLOT_DIFFERS',
        `${name} of ${image.source} is not what image.json says: its digest is ${found} and should be ${expected}`,
        { exit: 'corruptSource', hint: 'Nothing was erased; give another image with --source' },
      );
    }
  }
}

async function digestOf(image: SlotSource, name: string, onBytes: (count: number) => void): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of image.open(name)) {
    hash.update(chunk);
    onBytes(chunk.length);
  }
  return `sha256:${hash.digest('hex')}`;
}

/** Writes the journal and its copy for those who cannot see the partition. */
export function writeResetJournal(
  context: Pick<ResetContext, 'host' | 'warn'>,
  path: string,
  journal: ResetJournal,
): void {
  const text = formatResetJournal(journal);
  context.host.files.write(path, text);
  try {
    context.host.files.write(resetStatusPath, text);
  } catch (error) {
    context.warn(`Could not write ${resetStatusPath}: ${reasonOf(error)}`);
  }
}

function forgetEntries(step: Action<'forget-entries'>, { host, warn }: ResetContext): void {
  const { files } = host;
  const nothing = { next_entry: '', saved_entry: '' };
  let overruled: GrubVariables = nothing;
  try {
    if (step.user !== undefined) updateGrubEnvironment(host, step.user, nothing);
  } catch (error) {
    warn(`Could not forget the saved boot entry in ${step.user}, so it is overruled: ${reasonOf(error)}`);
    overruled = { next_entry: '', saved_entry: 'cos' };
  }
  try {
    updateGrubEnvironment(host, step.installation, overruled);
  } catch (error) {
    if (!(error instanceof KairosError) || error.code !== 'GRUB_ENVIRONMENT_CORRUPT') throw error;
    warn(`${reasonOf(error)}; it is written anew`);
    files.remove(step.installation);
    updateGrubEnvironment(host, step.installation, overruled);
  }
}

async function detach(target: string, { host, cleanup }: ResetContext): Promise<void> {
  if (!host.mounts().some((mount) => mount.target === target)) return;
  try {
    await cleanup.take(target, () => host.unmount(target));
  } catch (error) {
    throw new KairosError('PARTITION_BUSY', `Cannot unmount ${target}: ${reasonOf(error)}`, {
      exit: 'wrongState',
      hint: `End what uses it (fuser -vm ${target}), or restart: the reset goes on at the next start`,
      cause: error,
    });
  }
}

/** Carries out one step. What it leaves on the machine while the work goes on is put on `context.cleanup`. */
export async function carryOut(step: ResetAction, context: ResetContext): Promise<void> {
  const { host, signal } = context;
  throwIfStopped(signal);
  switch (step.kind) {
    case 'verify-image':
      return verifyImage(step, context);
    case 'write-reset-journal': {
      const finished = step.journal.status === 'done' ? context.now().toISOString() : null;
      return writeResetJournal(context, step.path, { ...step.journal, finished });
    }
    case 'forget-entries':
      return forgetEntries(step, context);
    case 'detach':
      return detach(step.target, context);
    case 'attach':
      host.files.makeDirectory(step.target);
      return host.mount({ source: step.device, target: step.target, type: step.type, options: ['noatime'] });
    case 'record-reset':
      try {
        return recordReset(host.files, step.path, step.previous, step.source, context.now());
      } catch (error) {
        return context.warn(`Could not record the reset in ${step.path}: ${reasonOf(error)}`);
      }
    case 'make-filesystem':
    case 'mount':
      return carryOutInstallStep(step, context);
    default:
      return carryOutUpgradeStep(step, { ...context, operation: 'the reset' });
  }
}

/** A step in words, for progress and for `--dry-run`. */
export function describeResetStep(step: ResetAction): string {
  switch (step.kind) {
    case 'verify-image':
      return `read the whole image (${formatSize(step.size)}) and compare its digests`;
    case 'write-reset-journal': {
      const { status, formatted } = step.journal;
      const made = formatted.length === 0 ? '' : `, made anew: ${formatted.join(', ')}`;
      return `note in ${step.path}: ${status}${made}`;
    }
    case 'forget-entries':
      return `forget saved boot entries in ${step.user ?? step.installation}`;
    case 'detach':
      return `unmount ${step.target}`;
    case 'attach':
    case 'mount':
      return `mount ${step.device} at ${step.target}`;
    case 'make-filesystem':
      return `make ${step.filesystem} with the label ${step.label} on ${step.device}; what is there is erased`;
    case 'record-reset':
      return `record the reset in ${step.path}`;
    default:
      return describeUpgradeStep(step);
  }
}

/** From here on an interruption would only leave for the next start what is done in an instant. */
const uninterruptible: ReadonlySet<ResetPhase> = new Set(['active', 'done']);

/** Carries out steps in order, telling each. */
export async function carryOutAll(
  steps: readonly ResetStep[],
  context: ResetContext,
  onStep: (step: ResetStep) => void = () => undefined,
): Promise<void> {
  for (const [index, step] of steps.entries()) {
    onStep(step);
    if (step.kind !== 'copy-image') context.report({ step: step.phase, message: describeResetStep(step) });
    const signal = uninterruptible.has(step.phase) ? new AbortController().signal : context.signal;
    stepFault('reset', index, step.kind, 'before');
    await carryOut(step, { ...context, signal });
    stepFault('reset', index, step.kind, 'after');
  }
}
