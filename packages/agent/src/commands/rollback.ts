import { KairosError } from '@kairos/facts/errors';
import { labels } from '@kairos/facts/labels';
import type { Host } from '@kairos/host/host';
import { afterReset, assessment, defaultTries, forgetUnloadable } from '../boot/choice.ts';
import { openBootBlocks, setUserVariables } from '../boot/environment.ts';
import { endMachine } from '../lifecycle.ts';
import { checkInstalled, checkRoot, runOperation, takeLock } from '../operation.ts';
import type { ReportProgress } from '../progress.ts';
import { openPartition, systemDisk } from '../slots/partition-access.ts';
import { damageOf, type SlotView } from '../slots/view.ts';
import { carryOutAll } from '../upgrade/execute.ts';
import { findSlots } from '../upgrade/facts.ts';
import { planLeftovers } from '../upgrade/leftovers.ts';
import type { UpgradeAction, UpgradePhase, UpgradeStep } from '../upgrade/step.ts';

export interface RollbackOptions {
  readonly dryRun?: boolean;
  /** Also where both slots hold the same image. */
  readonly force?: boolean;
  readonly reboot?: boolean;
  readonly onProgress: ReportProgress;
  readonly signal?: AbortSignal;
  readonly now?: () => Date;
}

export interface RollbackResult {
  /** False for a dry run. */
  readonly rolledBack: boolean;
  /** What was active; `undefined` where it cannot be read. */
  readonly from: { readonly name: string; readonly version: string } | undefined;
  readonly to: { readonly name: string; readonly version: string };
  readonly steps: readonly UpgradeStep[];
  readonly warnings: readonly string[];
}

const brief = ({ manifest: { name, version } }: SlotView) => ({ name, version });

/**
 * Makes the passive slot the active one, for good: one exchange of names. What was active becomes the fallback. The
 * slot that comes is read whole before, and gets the tries of a new one: should it fail, the node is back where it was.
 * @throws KairosError `NOT_ROOT`, `NOT_INSTALLED`, `BUSY`, `NO_FALLBACK`, `SLOT_DAMAGED`, `SAME_IMAGE`
 */
export async function rollback(host: Host, options: RollbackOptions): Promise<RollbackResult> {
  checkRoot(host);
  const bootState = checkInstalled(host, 'A rollback');
  const now = options.now ?? (() => new Date());
  const warnings: string[] = [];
  const warn = (message: string) => {
    warnings.push(message);
    options.onProgress({ step: 'warning', message });
  };
  return runOperation({ signal: options.signal, warn }, async ({ cleanup, signal }) => {
    // A dry run too: it mounts what it looks at in the same places, and takes that away again.
    cleanup.push('the lock', takeLock(host, options.dryRun ? 'rollback --dry-run' : 'rollback', now()));
    const disk = await systemDisk(host);
    const state = openPartition(host, disk, 'state', cleanup);
    if (!state) throw new Error('the system disk has no state partition');
    const blocks = openBootBlocks(host, disk, state, cleanup, warn);
    const found = findSlots(host, state.mountPoint, 'active', bootState);
    const leftovers = planLeftovers(found, true);
    const cos = `${state.mountPoint}/cOS`;
    const incoming = leftovers.passive.slot;
    if (!incoming) {
      throw new KairosError('NO_FALLBACK', `There is no passive slot on ${labels.state} to go back to`, {
        exit: 'wrongState',
        hint: 'kairos-agent upgrade --source gives the node any image',
      });
    }
    if (incoming.digest === found.target.slot?.digest && !options.force) {
      const { name, version } = incoming.manifest;
      throw new KairosError(
        'SAME_IMAGE',
        `Both slots hold ${name} ${version}; there is nothing to go back to`,
        {
          exit: 'wrongState',
          hint: 'kairos-agent upgrade --source gives the node any image',
        },
      );
    }
    const place = `${cos}/${leftovers.interruption === 'switched' ? 'transition' : 'passive'}`;
    options.onProgress({ step: 'verify', message: `reading ${place}` });
    const damage = await damageOf(host.files, place, { signal });
    if (damage !== undefined) {
      throw new KairosError('SLOT_DAMAGED', `The passive slot cannot become active: ${damage}`, {
        exit: 'corruptSource',
        hint: 'kairos-agent upgrade --source gives the node any image',
      });
    }

    const steps: UpgradeStep[] = [];
    const add = (phase: UpgradePhase, ...actions: UpgradeAction[]) =>
      steps.push(...actions.map((action) => ({ ...action, phase })));
    const checkpoint: UpgradeAction = { kind: 'checkpoint', mountPoint: state.mountPoint };
    for (const mountPoint of blocks.readOnly) {
      add('recover', { kind: 'make-writable', mountPoint, optional: mountPoint !== state.mountPoint });
    }
    add('recover', ...leftovers.actions);
    const outgoing = found.target.slot;
    const unproven = blocks.assessment[assessment.tries] !== undefined;
    // All of this holds for the slot of now as well, should the power go before the exchange: it is counted, and what
    // comes after it is the slot that is wanted.
    add(
      'boot-entry',
      {
        kind: 'set-environment',
        path: blocks.paths.assessment,
        changes: {
          [assessment.tries]: String(defaultTries),
          [assessment.fallbackTries]: String(defaultTries),
          ...forgetUnloadable(blocks.assessment),
          ...(unproven && outgoing ? { [assessment.failed]: outgoing.digest } : {}),
        },
        own: true,
      },
      ...setUserVariables(blocks, { saved_entry: '', next_entry: '' }),
      checkpoint,
    );
    const [active, passive] = [`${cos}/active`, `${cos}/passive`];
    add(
      'switch',
      found.target.there
        ? { kind: 'exchange', a: passive, b: active }
        : { kind: 'rename', from: passive, to: active },
      checkpoint,
    );
    const { changes, note } = afterReset(blocks.assessment);
    if (Object.keys(changes).length > 0) {
      add('boot-entry', { kind: 'set-environment', path: blocks.paths.assessment, changes, own: true });
    }
    if (note !== undefined) warn(note);
    const result = { from: outgoing && brief(outgoing), to: brief(incoming), steps, warnings };
    if (options.dryRun) return { ...result, rolledBack: false };
    await carryOutAll(steps, {
      ...{ host, image: undefined, cleanup, signal, warn, now, report: options.onProgress, strict: true },
      plan: 'rollback',
      runStage: async () => undefined,
    });
    for (const problem of await cleanup.run()) warn(`Could not clean up: ${problem}`);
    options.onProgress({
      step: 'done',
      message: `active is ${result.to.name} ${result.to.version} from the next start on`,
    });
    if (options.reboot) await endMachine(host, 'reboot', warn);
    return { ...result, rolledBack: true };
  });
}
