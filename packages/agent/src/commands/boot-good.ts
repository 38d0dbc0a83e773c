import { cmdlineWords } from '@kairos/facts/cmdline';
import { reasonOf } from '@kairos/facts/errors';
import { type Clock, systemClock } from '@kairos/host/clock';
import type { Host } from '@kairos/host/host';
import { tryLock } from '@kairos/host/lock';
import { throwIfStopped } from '@kairos/host/streams';
import { assessment, forgetUnloadable, goodStarts } from '../boot/choice.ts';
import { type BootBlocks, openBootBlocks } from '../boot/environment.ts';
import { bootFailuresDirectory, keepBootFailure, readBootFailures } from '../boot/failures.ts';
import { loadFailureOf, removeTraces, traceOf } from '../boot/traces.ts';
import { endWatch, keepWatchdogsFed } from '../boot/watchdog.ts';
import { checkHealth } from '../health/checks.ts';
import { readHealthConfig } from '../health/config.ts';
import { endMachine } from '../lifecycle.ts';
import {
  bootStateOfHost,
  checkRoot,
  describeHolder,
  lockPath,
  type Operation,
  runOperation,
} from '../operation.ts';
import type { ReportProgress } from '../progress.ts';
import { openPartition, systemDisk } from '../slots/partition-access.ts';
import { noteProvenState } from '../state/persistent-state.ts';
import { carryOutAll } from '../upgrade/execute.ts';
import { findSlots } from '../upgrade/facts.ts';
import { hasRunningImage, planLeftovers, type SlotsFound } from '../upgrade/leftovers.ts';
import type { UpgradeAction } from '../upgrade/step.ts';

export interface BootGoodOptions {
  /** Milliseconds that the checks have. Default: `health.deadline` of the configuration, five minutes. */
  readonly deadline?: number;
  /** Whether a boot that is not good ends in a restart. Default: yes. */
  readonly reboot?: boolean;
  readonly onProgress: ReportProgress;
  readonly signal?: AbortSignal;
  readonly clock?: Clock;
  readonly now?: () => Date;
}

export interface BootGoodResult {
  /**
   * - `not-assessed`: nothing was to be proven: another kind of boot, or the slot has proven itself before.
   * - `good`: it has now.
   * - `failed`: it has not; the reasons are kept and the node restarts.
   */
  readonly verdict: 'not-assessed' | 'good' | 'failed';
  readonly slot: 'active' | 'passive' | undefined;
  readonly reasons: readonly string[];
  readonly warnings: readonly string[];
}

/** Lines of the log that a record keeps. */
const logLines = 80;

/** Waits until nobody changes the slots. @throws KairosError `INTERRUPTED` */
type Lock = (signal: AbortSignal) => Promise<() => void>;

/**
 * Waits for the lock: an upgrade that is under way sets the counter for the image that it brings. It may take hours on a
 * slow line, and whoever gave up would have the watch of the trial restart the node in the middle of it; a holder that
 * ends in any way lets go of the lock.
 */
async function waitForLock(
  host: Host,
  since: Date,
  clock: Clock,
  report: ReportProgress,
  signal: AbortSignal,
): Promise<() => void> {
  for (let told = false; ; await clock.sleep(1000)) {
    throwIfStopped(signal);
    const holder = { pid: process.pid, work: 'boot-good', since: since.toISOString() };
    const attempt = tryLock(host.files, lockPath, holder);
    if (attempt.held) return attempt.release;
    if (!told) report({ step: 'health', message: `waiting: ${describeHolder(attempt.holder, since)}` });
    told = true;
  }
}

/** The end of the log of this boot, or of the one before it. */
async function logOf(host: Host, boot: 'this' | 'previous'): Promise<string[]> {
  const commands: (readonly [string, ...string[]])[] = [
    ['journalctl', '--no-pager', `--lines=${logLines}`, `--boot=${boot === 'this' ? 0 : -1}`],
    ...(boot === 'this' ? [['dmesg'] as const] : []),
  ];
  for (const command of commands) {
    if (host.which(command[0]) === undefined) continue;
    try {
      const { stdout } = await host.run(command);
      const lines = stdout.trimEnd().split('\n').filter(Boolean);
      if (lines.length > 0) return lines.slice(-logLines);
    } catch (error) {
      return [`${command[0]} failed: ${reasonOf(error)}`];
    }
  }
  return [];
}

function imageOf(found: SlotsFound, slot: 'active' | 'passive') {
  const view = slot === 'active' ? found.target.slot : found.passive.slot;
  return view ? { name: view.manifest.name, version: view.manifest.version, digest: view.digest } : null;
}

/** Whether the slot after which the boot is named is still the one that runs: an upgrade may have come between. */
function stillRuns(found: SlotsFound, slot: 'active' | 'passive'): boolean {
  const own = slot === 'active' ? found.target.slot : found.passive.slot;
  return found.runningRootHash === undefined || hasRunningImage(found, own);
}

const setAssessment = (blocks: BootBlocks, changes: Readonly<Record<string, string>>): UpgradeAction => ({
  ...{ kind: 'set-environment', path: blocks.paths.assessment, changes, own: true },
});

interface Assessed {
  readonly slot: 'active' | 'passive';
  /** Set in place of the active slot, which did not start or did not prove itself. */
  readonly standsIn: boolean;
  readonly counter: string | undefined;
}

function assessed(blocks: BootBlocks, state: string, cmdline: string): Assessed | undefined {
  if (state !== 'active' && state !== 'passive') return undefined;
  const standsIn = state === 'passive' && cmdlineWords(cmdline).includes('upgrade_failure');
  const name = state === 'active' ? assessment.tries : assessment.fallbackTries;
  const counter = state === 'active' || standsIn ? blocks.assessment[name] : undefined;
  return { slot: state, standsIn, counter };
}

/** Whether active is still what did not start: an upgrade or a rollback since then has given it starts of its own. */
function activeFailed({ assessment: variables }: BootBlocks): boolean {
  const tries = variables[assessment.tries];
  return tries === undefined || tries === '0' || variables[assessment.unloadableActive] !== undefined;
}

/** Keeps a record where it can: OEM may be full, damaged or missing, and the verdict counts without one. */
async function recorded(warn: (message: string) => void, keep: () => void | Promise<void>): Promise<void> {
  try {
    await keep();
  } catch (error) {
    warn(`Why a slot failed could not be kept: ${reasonOf(error)}`);
  }
}

/** Keeps why a slot is not what runs, once for each image. */
async function recordFallback(
  host: Host,
  found: SlotsFound,
  blocks: BootBlocks,
  slot: 'active' | 'passive',
  now: Date,
): Promise<void> {
  if (slot === 'active' && !activeFailed(blocks)) return;
  const image = imageOf(found, slot);
  const name = slot === 'active' ? assessment.tries : assessment.fallbackTries;
  const triesLeft = Number(blocks.assessment[name] ?? Number.NaN);
  const known = readBootFailures(host.files).findLast((failure) => failure.slot === slot);
  if (known && known.image?.digest === image?.digest) return;
  const notLoaded = loadFailureOf(host.files.readTextIfAny('/proc/cmdline') ?? '', slot);
  const view = slot === 'active' ? found.target.slot : found.passive.slot;
  const { reasons, log } =
    notLoaded !== undefined
      ? { reasons: [notLoaded], log: [] }
      : triesLeft !== 0
        ? { reasons: ['the boot loader could not load it'], log: [] }
        : await traceOf(host, slot, view?.manifest.verity?.rootHash, () => logOf(host, 'previous'));
  keepBootFailure(host.files, {
    ...{ schemaVersion: 1, time: now.toISOString(), slot, image },
    triesLeft: Number.isNaN(triesLeft) ? null : triesLeft,
    ...{ reasons, log },
  });
}

/** Recovery runs because neither slot did: keeps why. */
async function recordBoth(host: Host, warn: (message: string) => void, now: Date, lock: Lock): Promise<void> {
  const cmdline = host.files.readTextIfAny('/proc/cmdline') ?? '';
  if (!cmdlineWords(cmdline).includes('upgrade_failure')) return;
  await runOperation({ warn }, async ({ cleanup, signal }) => {
    cleanup.push('the lock', await lock(signal));
    const disk = await systemDisk(host);
    const state = openPartition(host, disk, 'state', cleanup);
    if (!state) return;
    const blocks = openBootBlocks(host, disk, state, cleanup, warn);
    const found = findSlots(host, state.mountPoint, 'active', 'recovery');
    await recorded(warn, async () => {
      for (const slot of ['active', 'passive'] as const) await recordFallback(host, found, blocks, slot, now);
      removeTraces(host.files);
    });
  });
}

async function apply(
  host: Host,
  actions: readonly UpgradeAction[],
  { cleanup, signal }: Operation,
  options: { readonly warn: (message: string) => void; readonly now: () => Date; report: ReportProgress },
): Promise<void> {
  await carryOutAll(
    actions.map((action) => ({ ...action, phase: 'recover' })),
    {
      ...{ host, image: undefined, cleanup, signal, strict: true, plan: 'boot-good', ...options },
      runStage: async () => undefined,
    },
  );
}

/**
 * Called when the init has reached its target: a slot that is on trial proves itself by the health checks, or the node
 * restarts, and the boot loader tries again or goes on to the next slot. What an interrupted upgrade left is brought to
 * an end as well.
 * @throws KairosError `NOT_ROOT`, `INTERRUPTED`, and where the boot loader's environment cannot be written
 */
export async function markBootGood(host: Host, options: BootGoodOptions): Promise<BootGoodResult> {
  checkRoot(host);
  const clock = options.clock ?? systemClock;
  const now = options.now ?? (() => new Date());
  const config = await readHealthConfig(host);
  const deadline = options.deadline ?? config.deadline;
  const { onProgress: report } = options;
  const bootState = bootStateOfHost(host);
  const warnings: string[] = [];
  const warn = (message: string) => {
    warnings.push(message);
    report({ step: 'warning', message });
  };
  const none: BootGoodResult = { verdict: 'not-assessed', slot: undefined, reasons: [], warnings };
  const lock: Lock = (signal) => waitForLock(host, now(), clock, report, signal);
  if (bootState === 'recovery') await recordBoth(host, warn, now(), lock);
  if (bootState !== 'active' && bootState !== 'passive') return none;

  const stopFeeding = keepWatchdogsFed(host);
  const result = await runOperation({ signal: options.signal, warn }, async (operation) => {
    const { cleanup } = operation;
    cleanup.push('the lock', await lock(operation.signal));
    const disk = await systemDisk(host);
    const state = openPartition(host, disk, 'state', cleanup);
    if (!state) return none;
    const blocks = openBootBlocks(host, disk, state, cleanup, warn);
    const found = findSlots(host, state.mountPoint, 'active', bootState);
    const trial = assessed(blocks, bootState, host.files.readTextIfAny('/proc/cmdline') ?? '');
    if (!trial) return none;
    if (trial.standsIn) {
      await recorded(warn, () => recordFallback(host, found, blocks, 'active', now()));
    }

    const leftovers = planLeftovers(found, true).actions;
    const changes: Record<string, string> = {};
    let verdict: BootGoodResult['verdict'] = 'not-assessed';
    let reasons: readonly string[] = [];
    if (trial.counter !== undefined && stillRuns(found, trial.slot)) {
      report({ step: 'health', message: `checking the health of ${trial.slot}` });
      const health = await checkHealth(host, {
        ...{ deadline, clock, checks: config.checks, signal: operation.signal },
      });
      for (const warning of [...config.warnings, ...health.warnings]) warn(warning);
      reasons = health.failures;
      verdict = reasons.length === 0 ? 'good' : 'failed';
      if (verdict === 'good') {
        changes[assessment.fallbackTries] = '';
        if (trial.slot === 'active') {
          Object.assign(changes, { [assessment.tries]: '' }, forgetUnloadable(blocks.assessment));
        }
      }
    }
    // It came up: GRUB counts anew. A slot that somebody chose beside the default is not counted.
    if (verdict !== 'failed' && (trial.slot === 'active' || trial.standsIn)) {
      changes[assessment.starts] = String(goodStarts);
    }
    if (trial.standsIn && found.target.slot && activeFailed(blocks)) {
      changes[assessment.failed] = found.target.slot.digest;
      // The boot loader went on by itself: what it cannot load it need not try again.
      if (blocks.assessment[assessment.tries] !== undefined) changes[assessment.tries] = '0';
    }
    if (verdict === 'failed') {
      for (const reason of reasons) report({ step: 'health', message: reason });
      await recorded(warn, async () => {
        const path = keepBootFailure(host.files, {
          ...{ schemaVersion: 1, time: now().toISOString(), slot: trial.slot },
          image: imageOf(found, trial.slot),
          triesLeft: Number(trial.counter),
          reasons: [...reasons],
          log: await logOf(host, 'this'),
        });
        report({ step: 'health', message: `this boot is not good; ${path} says why` });
      });
    }
    const differs = Object.entries(changes).some(
      ([name, value]) => (blocks.assessment[name] ?? '') !== value,
    );
    const { mountPoint } = state;
    const carryOut = (...actions: UpgradeAction[]) => apply(host, actions, operation, { warn, now, report });
    if (leftovers.length > 0 || differs) await carryOut({ kind: 'make-writable', mountPoint });
    try {
      await carryOut(...leftovers);
    } catch (error) {
      if (operation.signal.aborted) throw error;
      // Whether this slot is good has nothing to do with what lies about.
      warn(`What an earlier upgrade left could not be put in order: ${reasonOf(error)}`);
    }
    if (differs) await carryOut(setAssessment(blocks, changes), { kind: 'checkpoint', mountPoint });
    return { verdict, slot: trial.slot, reasons, warnings };
  }).finally(stopFeeding);
  if (result.verdict !== 'failed') {
    await endWatch(host, config.watchdog, warn, clock);
    try {
      removeTraces(host.files);
    } catch (error) {
      warn(`What the start left in ${bootFailuresDirectory} could not be removed: ${reasonOf(error)}`);
    }
    try {
      noteProvenState(host);
    } catch (error) {
      warn(`The configuration of this image could not be noted: ${reasonOf(error)}`);
    }
  }
  if (result.verdict === 'failed' && (options.reboot ?? true)) await endMachine(host, 'reboot', warn);
  return result;
}
