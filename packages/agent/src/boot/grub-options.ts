import { initialGrubOptions } from '@kairos/config/grub-options';
import { type Clock, systemClock } from '@kairos/host/clock';
import type { GrubVariables } from '@kairos/host/grub-environment';
import type { Host } from '@kairos/host/host';
import { isMapping } from '../collect-config.ts';
import { awaitLock, releaseOf, runOperation } from '../operation.ts';
import { makeWritable, openPartition, systemDisk } from '../slots/partition-access.ts';
import { openBootBlocks, setEnvironment, setUserVariables } from './environment.ts';

/** `grub_options` of a node's configuration as variables; keys without a value are left out. */
export function grubOptionsOf({ grub_options }: Readonly<Record<string, unknown>>): GrubVariables {
  return initialGrubOptions({ grub_options: isMapping(grub_options) ? grub_options : null });
}

/**
 * Puts variables into the environment that GRUB reads of the user, where they are not there already.
 * @returns the names of those that were changed
 * @throws KairosError `BUSY`, `NOT_INSTALLED`, `GRUB_*`
 */
export async function applyGrubOptions(
  host: Host,
  options: GrubVariables,
  more: { readonly warn: (message: string) => void; readonly now: () => Date; readonly clock?: Clock },
): Promise<string[]> {
  if (Object.keys(options).length === 0) return [];
  return runOperation({ warn: more.warn }, async ({ cleanup }) => {
    const attempt = await awaitLock(host, 'grub options', more.clock ?? systemClock);
    cleanup.push('the lock', releaseOf(attempt, more.now()));
    const disk = await systemDisk(host);
    const state = openPartition(host, disk, 'state', cleanup);
    if (!state) throw new Error('the system disk has no state partition');
    const blocks = openBootBlocks(host, disk, state, cleanup, more.warn);
    const current = { ...blocks.user, ...blocks.installation };
    const changes = Object.fromEntries(
      Object.entries(options).filter(([name, value]) => (current[name] ?? '') !== value),
    );
    if (Object.keys(changes).length === 0) return [];
    const steps = setUserVariables(blocks, changes);
    const touched = blocks.readOnly.filter((mountPoint) =>
      steps.some(({ path }) => path.startsWith(`${mountPoint}/`)),
    );
    for (const mountPoint of touched) makeWritable(host, mountPoint, cleanup);
    for (const step of steps) setEnvironment(host, step, more.warn);
    return Object.keys(changes);
  });
}
