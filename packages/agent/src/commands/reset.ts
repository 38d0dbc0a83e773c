import { readBootloaderPayload } from '@kairos/artifacts/bootloader-payload';
import { hostArchitecture } from '@kairos/facts/architecture';
import { KairosError, reasonOf } from '@kairos/facts/errors';
import { paths } from '@kairos/facts/paths';
import { updateGrubEnvironment } from '@kairos/host/grub-environment';
import type { Host } from '@kairos/host/host';
import { remoteReader } from '@kairos/stages/remote-reader';
import { assessment } from '../boot/choice.ts';
import type { Cleanup } from '../cleanup.ts';
import type { CollectedConfig } from '../collect-config.ts';
import { endOperation, readNode, stagesOf } from '../node-operation.ts';
import { bootStateOfHost, checkRoot, runOperation, takeLock } from '../operation.ts';
import type { OperationOptions, OperationParts } from '../operation-options.ts';
import { providersOf } from '../providers/node-providers.ts';
import { afterReset, beforeReset } from '../providers/questions.ts';
import { resetConfigOf } from '../reset/config.ts';
import { carryOutAll, writeResetJournal } from '../reset/execute.ts';
import { gatherResetFacts, openState, pendingReset, recoveryDisk } from '../reset/facts.ts';
import { type ResetJournal, type ResetWish, resetJournalName, resetStatusPath } from '../reset/journal.ts';
import { checkResetBootState, planReset, type ResetPlan } from '../reset/plan.ts';
import { resetPlanToJson } from '../reset/render.ts';
import type { ResetStep } from '../reset/step.ts';
import { makeWritable, partitionOf } from '../slots/partition-access.ts';
import { openImageSource } from '../sources/image-source.ts';
import { signatureApproval } from '../sources/signature-policy.ts';
import { stagePositions } from '../stages/chroot-stage.ts';
import { runHookStage } from '../stages/hooks.ts';

export interface ResetOptions extends OperationOptions {
  /** Image for both slots; default: what the configuration says, else recovery's own. */
  readonly source?: string;
  /** Makes the OEM partition anew as well. */
  readonly resetOem?: boolean;
  /** Called before anything changes; throws to leave all as it is. */
  readonly confirm?: (plan: ResetPlan, signal: AbortSignal) => Promise<void>;
}

export interface ResetResult {
  readonly plan: ResetPlan;
  /** False for a dry run. */
  readonly done: boolean;
  readonly warnings: readonly string[];
  /** Without the bytes that the plan writes. */
  toJSON(): unknown;
}

/** What a reset needs of other packages. */
export interface ResetParts extends OperationParts {
  /** What plug-ins are told and asked. */
  plugins(
    host: Host,
    config: CollectedConfig,
    options: { readonly warn: (message: string) => void; readonly signal: AbortSignal },
  ): { before(): Promise<Readonly<Record<string, string>>>; after(): Promise<void> };
}

/** Where the slot is that recovery runs from. */
const recoverySlot = `dir:${paths.cosState}/cOS/recovery`;

/**
 * Keeps why a reset stopped, where the next start and `state` find it. One that never began is told as well, without a
 * mark for the boot loader: nothing is to be gone on with.
 */
function keepFailure(
  host: Host,
  mountPoint: string | undefined,
  wish: ResetWish | undefined,
  error: unknown,
  context: {
    /** Nothing is lost yet: what there was starts again, and is not reset at the next start. */
    readonly withdraws: boolean;
    readonly cleanup: Cleanup;
    readonly now: Date;
    readonly warn: (message: string) => void;
  },
): void {
  const { withdraws, cleanup, now, warn } = context;
  const known = error instanceof KairosError ? error : undefined;
  const failure = {
    ...{ time: now.toISOString(), code: known?.code ?? 'FAILED', message: reasonOf(error) },
    ...(known?.hint === undefined ? {} : { hint: known.hint }),
  };
  const place = host.mounts().some(({ target }) => target === mountPoint) ? mountPoint : undefined;
  const path = place === undefined ? resetStatusPath : `${place}/${resetJournalName}`;
  const begun = place === undefined ? undefined : pendingReset(host, place, warn);
  const never: ResetJournal | undefined = wish && {
    ...{ schemaVersion: 1, status: 'failed', begun: false, started: now.toISOString() },
    ...{ finished: null, wish, formatted: [], failure, record: null },
  };
  if (known?.code === 'INTERRUPTED' && !begun) return;
  const journal: ResetJournal | undefined = begun
    ? { ...begun, status: 'failed', begun: !withdraws, failure }
    : never;
  if (!journal || begun?.status === 'done') return;
  try {
    if (place !== undefined) makeWritable(host, place, cleanup);
    writeResetJournal({ host, warn }, path, journal);
    if (place !== undefined) {
      // It was begun, or says itself why not.
      const withdrawn = withdraws ? { [assessment.reset]: '' } : {};
      const path = `${place}/boot_assessment`;
      updateGrubEnvironment(host, path, { ...withdrawn, [assessment.resetChosen]: '' });
    }
  } catch (problem) {
    warn(`Could not note in ${path} why the reset stopped: ${reasonOf(problem)}`);
  }
}

/** Whether what there was cannot be had back after a step. */
function losesSomething({ kind, phase }: ResetStep): boolean {
  return kind === 'make-filesystem' || kind === 'rename' || !['prepare', 'copy', 'format'].includes(phase);
}

/** A plug-in that answers nonsense must not keep a node from being reset. */
async function tolerated<Result>(
  work: Promise<Result>,
  otherwise: Result,
  warn: (message: string) => void,
): Promise<Result> {
  try {
    return await work;
  } catch (error) {
    warn(reasonOf(error));
    return otherwise;
  }
}

/** {@link reset} with the parts given, for those who bring their own. */
export async function resetWith(
  machine: Host,
  options: ResetOptions,
  parts: ResetParts,
): Promise<ResetResult> {
  checkRoot(machine);
  const bootState = bootStateOfHost(machine);
  checkResetBootState(bootState);
  const node = await readNode(machine, options, (documents, how) => resetConfigOf(documents, options, how));
  const { host, collected, checked: asked, extraPaths, warnings, warn } = node;
  const { config } = asked;
  const { dryRun = false } = options;

  return runOperation({ signal: options.signal, warn }, async ({ cleanup, signal }) => {
    // A dry run too: it mounts what it looks at in the same places, and takes that away again.
    cleanup.push('the lock', takeLock(host, dryRun ? 'reset --dry-run' : 'reset', parts.now()));
    let mountPoint: string | undefined;
    let wish: ResetWish | undefined;
    // What an earlier run may have erased is as lost.
    let lost = false;
    try {
      const plugins = parts.plugins(host, collected, { warn, signal });
      const answered = dryRun ? {} : await tolerated(plugins.before(), {}, warn);
      const { disk, state: partition } = await recoveryDisk(host);
      const state = await openState(host, disk, partition, { mend: !dryRun, cleanup, warn });
      mountPoint = state.place?.mountPoint;
      const pending =
        (mountPoint === undefined ? undefined : pendingReset(host, mountPoint, warn)) ??
        pendingReset(host, paths.cosState, warn);
      lost = pending !== undefined;
      // What the boot loader starts again goes on as it was wished. Who asks for a reset begins a new one, which
      // leaves nothing of the other half done.
      const resumes = pending !== undefined && bootState === 'autoreset';
      const going: ResetWish = resumes
        ? {
            ...pending.wish,
            after: pending.wish.after === 'nothing' ? asked.wish.after : pending.wish.after,
          }
        : {
            ...asked.wish,
            resetPersistent: asked.wish.resetPersistent || (pending?.wish.resetPersistent ?? false),
            resetOem:
              (answered['reset-oem'] === undefined
                ? asked.wish.resetOem
                : answered['reset-oem'] === 'true') ||
              (pending?.wish.resetOem ?? false),
          };
      wish = going;
      if (resumes) options.onProgress({ step: 'note', message: 'a reset that was cut off goes on' });
      const readsConfig =
        collected.documents.length > 0 || partitionOf(disk, 'oem')?.mountPoints.includes(paths.oem);
      if (!asked.hasAdmin && !going.resetOem && !resumes) {
        const message = `No user is in the group admin, so nobody could log in to the node (read: ${
          collected.documents.map(({ file }) => file).join(', ') || 'no file'
        })`;
        if (readsConfig) {
          throw new KairosError('NO_ADMIN_USER', message, {
            exit: 'invalidInput',
            hint: 'Add a user with `groups: [admin]` to a file in /oem, or set `install.nousers: true`',
          });
        }
        warn(`${message}; COS_OEM is not there or cannot be read`);
      }
      const uri = going.source ?? recoverySlot;
      options.onProgress({ step: 'source', message: `opening ${uri}` });
      const { image, close } = await parts.openSource(host, uri, {
        insecure: config.upgrade?.['allow-insecure-registries'] ?? false,
        signal,
        // The system runs from its own slot; whoever could change that could change this program.
        ...(going.source === undefined ? {} : { approve: signatureApproval(host, config) }),
      });
      cleanup.push('the source', close);
      const facts = await gatherResetFacts({
        ...{ host, disk, state, bootState, image, pending, cleanup, signal, warn },
        architecture: hostArchitecture(),
        payload: await readBootloaderPayload(image),
        erases: { persistent: going.resetPersistent, oem: going.resetOem },
        now: parts.now(),
      });
      const plan = planReset(facts, going, {
        resumes,
        chrootStage: stagePositions(host, 'after-reset-chroot', collected, extraPaths).length > 0,
      });
      mountPoint = facts.state.mountPoint;
      for (const note of plan.notes) options.onProgress({ step: 'note', message: note });
      const result = (done: boolean): ResetResult => ({
        plan,
        done,
        warnings,
        toJSON: () => ({ done, warnings, plan: resetPlanToJson(plan) }),
      });
      if (dryRun) return result(false);
      await options.confirm?.(plan, signal);
      await carryOutAll(
        plan.steps,
        {
          ...{ host, image, cleanup, signal, warn, now: parts.now, report: options.onProgress },
          strict:
            answered.strict === undefined
              ? options.strict || (config.strict ?? false)
              : answered.strict === 'true',
          ...stagesOf(node, parts, signal, options.onProgress),
        },
        (step) => {
          lost ||= losesSomething(step);
        },
      );
      await tolerated(plugins.after(), undefined, warn);
      await endOperation(node, {
        ...{ cleanup, after: plan.after, report: options.onProgress },
        message: `Reset completed: the node starts ${plan.image.name} ${plan.image.version}`,
      });
      return result(true);
    } catch (error) {
      if (!dryRun && !(error instanceof KairosError && error.code === 'RESET_ABORTED')) {
        keepFailure(host, mountPoint, wish, error, { withdraws: !lost, cleanup, now: parts.now(), warn });
        const kept = lost ? '' : '; nothing was erased, and the next start is that of before';
        const message = `The reset stopped, and the node stays in recovery${kept}`;
        options.onProgress({ step: 'failed', message });
      }
      throw error;
    }
  });
}

/**
 * Makes the node new from recovery: both slots get the image of recovery, or another; the persistent partition, and
 * the OEM partition if that is asked for, are made anew. A reset that is cut off is finished at the next start by
 * itself; docs/reset.md.
 * @throws KairosError of the source, of {@link planReset}, `BUSY`, `NO_ADMIN_USER`, `INTERRUPTED`
 */
export function reset(host: Host, options: ResetOptions): Promise<ResetResult> {
  return resetWith(
    host,
    { remote: remoteReader(host), ...options },
    {
      openSource: openImageSource,
      runStage: runHookStage,
      plugins(machine, collected, given) {
        const { bus } = providersOf(machine, collected, given);
        return { before: () => beforeReset(bus), after: () => afterReset(bus) };
      },
      now: () => new Date(),
    },
  );
}
