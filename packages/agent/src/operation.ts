import { type BootState, bootStateNames, bootStateOf } from '@kairos/facts/boot-state';
import { KairosError } from '@kairos/facts/errors';
import type { Clock } from '@kairos/host/clock';
import type { Host } from '@kairos/host/host';
import { type LockAttempt, type LockHolder, tryLock } from '@kairos/host/lock';
import { Cleanup } from './cleanup.ts';

/** Held by whatever changes slots or what starts next. */
export const lockPath = '/run/kairos-agent.lock';

/** @throws KairosError `NOT_ROOT` */
export function checkRoot(host: Host): void {
  if (host.uid === 0) return;
  throw new KairosError('NOT_ROOT', 'this command requires root privileges', {
    exit: 'notPermitted',
    hint: 'Run it with sudo',
  });
}

export function bootStateOfHost(host: Host): BootState {
  return bootStateOf(host.files.readTextIfAny('/proc/cmdline') ?? '');
}

/** @throws KairosError `NOT_INSTALLED` where the system was not started from a disk of its own */
export function checkInstalled(host: Host, what: string): BootState {
  const state = bootStateOfHost(host);
  if (state !== 'livecd' && state !== 'unknown') return state;
  throw new KairosError(
    'NOT_INSTALLED',
    `${what} needs an installed system, and the machine was started as ${bootStateNames[state]}`,
    { exit: 'wrongState', hint: 'Start the installed system and run it there' },
  );
}

/** `2 minutes`, for an age. */
export function formatAge(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? `${minutes} minutes` : `${Math.round(minutes / 60)} hours`;
}

/** What those write into the lock who only look, and are done in an instant. */
export const lookWork = 'state';
/** Milliseconds that others give them. */
const longestLook = 5000;

/** Takes the lock, after those who only look, and after one that is about to say who it is or has just let go. */
export function attemptLock(host: Host, work: string, now: Date): LockAttempt {
  for (let waited = 0; ; waited += 20) {
    const attempt = tryLock(host.files, lockPath, { pid: process.pid, work, since: now.toISOString() });
    if (attempt.held || waited >= longestLook) return attempt;
    if (attempt.holder !== undefined && attempt.holder.work !== lookWork) return attempt;
    Bun.sleepSync(20);
  }
}

/** Milliseconds in which much is done for which somebody holds the lock, as `boot-good` at each start. */
const patience = 3000;

/** Takes the lock, after what is done in a moment; for those that nobody starts again who reads that it was taken. */
export async function awaitLock(host: Host, work: string, clock: Clock): Promise<LockAttempt> {
  const end = clock.now() + patience;
  for (;;) {
    const attempt = attemptLock(host, work, new Date());
    if (attempt.held || clock.now() >= end) return attempt;
    await clock.sleep(50);
  }
}

/** Who holds the lock, in words. */
export function describeHolder(holder: LockHolder | undefined, now: Date): string {
  return holder
    ? `${holder.work}, process ${holder.pid}, running for ${formatAge(now.getTime() - Date.parse(holder.since))}`
    : 'another process';
}

/**
 * What gives a lock back.
 * @throws KairosError `BUSY`, with the pid and the age of the one that holds it
 */
export function releaseOf(attempt: LockAttempt, now: Date): () => void {
  if (attempt.held) return attempt.release;
  const { holder } = attempt;
  throw new KairosError('BUSY', `The slots are being changed already (${describeHolder(holder, now)})`, {
    exit: 'wrongState',
    hint: 'Wait until it ends; what a killed one left does not lock anyone out',
    details: { holder },
  });
}

/**
 * Takes the lock of the agent.
 * @throws KairosError `BUSY`
 */
export function takeLock(host: Host, work: string, now: Date): () => void {
  return releaseOf(attemptLock(host, work, now), now);
}

export interface Operation {
  readonly cleanup: Cleanup;
  /** Fires at SIGINT, SIGTERM and the caller's own signal; {@link StopOptions}. */
  readonly signal: AbortSignal;
}

export interface StopOptions {
  /** Stops the work. */
  readonly signal?: AbortSignal | undefined;
  /** Only `signal` stops it: somebody else answers SIGINT and SIGTERM. */
  readonly ignoreSignals?: boolean | undefined;
  readonly warn: (message: string) => void;
}

/**
 * Runs work that may be stopped, and undoes what it left on `cleanup`, newest first, however it ends.
 */
export async function runOperation<Result>(
  options: StopOptions,
  work: (operation: Operation) => Promise<Result>,
): Promise<Result> {
  const controller = new AbortController();
  const stop = () => controller.abort();
  if (options.signal?.aborted) stop();
  options.signal?.addEventListener('abort', stop, { once: true });
  if (!options.ignoreSignals) {
    process.on('SIGINT', stop);
    process.on('SIGTERM', stop);
  }
  const cleanup = new Cleanup();
  try {
    return await work({ cleanup, signal: controller.signal });
  } finally {
    for (const problem of await cleanup.run()) options.warn(`Could not clean up: ${problem}`);
    options.signal?.removeEventListener('abort', stop);
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
  }
}
