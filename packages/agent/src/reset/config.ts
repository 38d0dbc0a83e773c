import type { CloudConfig } from '@kairos/config/schema/root';
import { defaultTries } from '../boot/choice.ts';
import { type CollectedConfig, isMapping } from '../collect-config.ts';
import { hasAdmin } from '../install/config.ts';
import { afterwards } from '../lifecycle.ts';
import { checkNodeConfig } from '../upgrade/config.ts';
import type { ResetWish } from './journal.ts';

type ResetKeys = NonNullable<CloudConfig['reset']>;

/** What the command line says of a reset. */
export interface ResetFlags {
  readonly source?: string;
  readonly resetOem?: boolean;
  readonly reboot?: boolean;
  readonly poweroff?: boolean;
}

export interface ResetConfig {
  readonly wish: ResetWish;
  readonly config: CloudConfig;
  readonly warnings: readonly string[];
  /** Whether anybody could log in to the node with this configuration. */
  readonly hasAdmin: boolean;
}

/**
 * What the configuration and the command line wish of a reset. The configuration may be what is broken, and the reset
 * what mends the node: what is wrong in it is a warning, unless `strict`.
 * @throws KairosError `CONFIG_INVALID` where strict, `REBOOT_AND_POWEROFF`
 */
export function resetConfigOf(
  collected: CollectedConfig,
  flags: ResetFlags,
  options: { readonly strict: boolean; readonly allowNoUsers: boolean },
): ResetConfig {
  const { config, warnings } = checkNodeConfig(collected, options);
  const plain = collected.config;
  // Of a configuration that has not the right form, only what is a mapping is read on.
  const reset: ResetKeys = isMapping(plain.reset) ? (config.reset ?? {}) : {};
  const install = isMapping(plain.install) ? config.install : undefined;
  const tries = isMapping(plain.upgrade) ? config.upgrade?.tries : undefined;
  if (reset.passive?.source || reset.passive?.uri) {
    warnings.push(
      'reset.passive.source has no effect: the fallback gets the same image as the active system',
    );
  }
  if ((reset['extra-dirs-rootfs'] ?? []).length > 0) {
    warnings.push('reset.extra-dirs-rootfs has no effect: the system image is read-only and copied as it is');
  }
  if (reset.tty) {
    warnings.push('reset.tty has no effect: consoles are set by extra_cmdline in the boot options');
  }
  return {
    wish: {
      resetPersistent: reset['reset-persistent'] ?? true,
      resetOem: flags.resetOem || (reset['reset-oem'] ?? false),
      source: flags.source || reset.system?.source || reset.system?.uri || null,
      entryName: reset['grub-entry-name'] || null,
      tries:
        typeof tries === 'number' && Number.isInteger(tries) && tries >= 0
          ? Math.min(tries, 9)
          : defaultTries,
      after: afterwards(flags, reset),
    },
    config,
    warnings,
    hasAdmin: Boolean(install?.nousers) || options.allowNoUsers || hasAdmin(plain),
  };
}
