import { KairosError } from '@kairos/facts/errors';
import { didYouMean } from '@kairos/facts/suggest';
import type { Host } from '@kairos/host/host';
import { type BootChoice, type BootEnvironment, nextBoot } from '../boot/choice.ts';
import { openBootBlocks, readBlocks, setUserVariables } from '../boot/environment.ts';
import { type MenuEntry, parseMenuEntries } from '../boot/grub-entries.ts';
import { checkInstalled, checkRoot, lookWork, runOperation, takeLock } from '../operation.ts';
import { isClosed, openPartition, systemDisk } from '../slots/partition-access.ts';
import { carryOutAll } from '../upgrade/execute.ts';
import type { UpgradeStep } from '../upgrade/step.ts';

export interface BootEntryOptions {
  /** The entry to start next; without it nothing changes. */
  readonly select?: string;
  /** From now on, instead of once. */
  readonly permanent?: boolean;
  readonly warn?: (message: string) => void;
  readonly now?: () => Date;
}

export interface BootEntryResult {
  readonly entries: readonly MenuEntry[];
  /** What GRUB does at the next start. */
  readonly next: BootChoice;
}

/** Names of slots, which people use for the entries that start them. */
const aliases: Readonly<Record<string, string>> = { active: 'cos', passive: 'fallback' };

/** The entry that a name means: an id, the name of a slot, or a title as the menu shows it. */
function entryNamed(name: string, entries: ReadonlyMap<string, MenuEntry>): string {
  if (entries.has(name)) return name;
  return aliases[name] ?? [...entries.values()].find(({ title }) => title === name)?.id ?? name;
}

/** Configurations of the menu on `COS_STATE` and `COS_OEM`, and in the image. */
function menuFiles(state: string, oem: string | undefined): string[] {
  return [
    `${state}/grub2/grub.cfg`,
    `${state}/grub/grub.cfg`,
    '/etc/cos/grub.cfg',
    '/etc/kairos/branding/grubmenu.cfg',
    `${state}/grubmenu`,
    ...(oem === undefined ? [] : [`${oem}/grubmenu`]),
  ];
}

/**
 * Lists the entries of GRUB's menu and says which one starts next; with `select`, sets it, once or for good.
 * @throws KairosError `NOT_ROOT`, `NOT_INSTALLED`, `BUSY`, `NO_BOOT_ENTRY`
 */
export async function bootEntry(host: Host, options: BootEntryOptions = {}): Promise<BootEntryResult> {
  checkRoot(host);
  checkInstalled(host, 'Choosing what starts next');
  const warn = options.warn ?? (() => undefined);
  const now = options.now ?? (() => new Date());
  return runOperation({ warn }, async ({ cleanup, signal }) => {
    const disk = await systemDisk(host);
    if (options.select !== undefined) cleanup.push('the lock', takeLock(host, 'bootentry', now()));
    // What has to be mounted for a look must not be in the way of those who change it.
    else if (isClosed(disk, 'state')) cleanup.push('the lock', takeLock(host, lookWork, now()));
    const state = openPartition(host, disk, 'state', cleanup);
    if (!state) throw new Error('the system disk has no state partition');
    const blocks = openBootBlocks(host, disk, state, cleanup, warn);
    const title = blocks.installation.default_menu_entry ?? blocks.user.default_menu_entry;
    const oem = blocks.paths.user.replace(/\/[^/]*$/, '');
    const entries = new Map<string, MenuEntry>();
    for (const path of menuFiles(state.mountPoint, oem)) {
      for (const entry of parseMenuEntries(host.files.readTextIfAny(path) ?? '', title)) {
        if (!entries.has(entry.id)) entries.set(entry.id, entry);
      }
    }
    const result = (environment: BootEnvironment): BootEntryResult => ({
      entries: [...entries.values()],
      next: nextBoot(environment),
    });
    if (options.select === undefined) return result(blocks);
    const id = entryNamed(options.select, entries);
    if (!entries.has(id)) {
      const known = [...entries.keys()];
      const meant = didYouMean(id, [...known, ...Object.keys(aliases)]);
      throw new KairosError('NO_BOOT_ENTRY', `The menu has no entry ${JSON.stringify(options.select)}`, {
        exit: 'usage',
        hint: `${meant === undefined ? '' : `Did you mean ${meant}? `}The entries are ${known.join(', ') || 'not known'}`,
      });
    }
    const changes = setUserVariables(blocks, options.permanent ? { saved_entry: id } : { next_entry: id });
    const steps: UpgradeStep[] = [
      ...blocks.readOnly
        .filter((mountPoint) =>
          changes.some((change) => 'path' in change && change.path.startsWith(`${mountPoint}/`)),
        )
        .map((mountPoint) => ({ kind: 'make-writable' as const, mountPoint })),
      ...changes,
    ].map((action) => ({ ...action, phase: 'boot-entry' }));
    await carryOutAll(steps, {
      ...{ host, image: undefined, cleanup, signal, now, strict: true, report: () => undefined },
      // A choice that could not be written is no choice.
      warn(message) {
        throw new KairosError('BOOT_ENTRY_NOT_SET', message, { exit: 'wrongState' });
      },
      runStage: async () => undefined,
    });
    return result(readBlocks(host, blocks.paths, warn));
  });
}
