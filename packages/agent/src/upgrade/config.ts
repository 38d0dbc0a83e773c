import { formatProblem, sortProblems } from '@kairos/config/problem';
import type { CloudConfig } from '@kairos/config/schema/root';
import { validate } from '@kairos/config/validate';
import { KairosError } from '@kairos/facts/errors';
import { type CollectedConfig, isMapping } from '../collect-config.ts';
import { hasAdmin } from '../install/config.ts';

export type UpgradeKeys = NonNullable<CloudConfig['upgrade']>;

/** Keys of the field that have no meaning for a root that is read-only and complete. */
const unfulfilled = ['excluded-paths', 'extra-dirs-rootfs', 'entry', 'grub-entry-name'] as const;

/**
 * Checks the configuration that a node runs with already. What is wrong in it is a warning, unless `strict`.
 * @throws KairosError `CONFIG_INVALID` where strict
 */
export function checkNodeConfig(
  collected: CollectedConfig,
  options: { readonly strict: boolean },
): { readonly config: CloudConfig; readonly warnings: string[] } {
  const texts = new Map(collected.documents.map(({ file, text }) => [file, text]));
  const problems = sortProblems([
    ...collected.problems,
    ...validate(collected.tree, options.strict ? { strict: true } : {}),
  ]);
  const [first] = problems.filter(({ severity }) => severity === 'error');
  if (first && options.strict) {
    throw new KairosError(
      'CONFIG_INVALID',
      problems.map((problem) => formatProblem(problem, (file) => texts.get(file))).join('\n'),
      { exit: 'invalidInput', position: first.position, details: { problems } },
    );
  }
  return {
    config: collected.config as CloudConfig,
    warnings: problems.map(
      ({ position, message, hint }) =>
        `${position.file}:${position.line}:${position.column}: ${message}${hint === undefined ? '' : `; ${hint}`}`,
    ),
  };
}

/**
 * Checks a configuration before an upgrade. It is the one that the node runs with already, and the new image may be
 * what mends it: what is wrong is a warning, unless `strict`.
 * @throws KairosError `CONFIG_INVALID` where strict, `NO_ADMIN_USER`
 */
export function checkUpgradeConfig(
  collected: CollectedConfig,
  options: { readonly strict: boolean; readonly allowNoUsers: boolean },
): { readonly upgrade: UpgradeKeys; readonly config: CloudConfig; readonly warnings: readonly string[] } {
  const { config: typed, warnings } = checkNodeConfig(collected, options);
  const { config } = collected;
  // Of a configuration that has not the right form, only what is a mapping is read on.
  const upgrade: UpgradeKeys = isMapping(config.upgrade) ? (typed.upgrade ?? {}) : {};
  const install = isMapping(config.install) ? typed.install : undefined;
  if (!install?.nousers && !options.allowNoUsers && !hasAdmin(config)) {
    throw new KairosError(
      'NO_ADMIN_USER',
      `No user is in the group admin, so nobody could log in to the upgraded node (read: ${
        collected.documents.map(({ file }) => file).join(', ') || 'no file'
      })`,
      {
        exit: 'invalidInput',
        hint: 'Add a user with `groups: [admin]`, or set `install.nousers: true`',
      },
    );
  }
  for (const key of unfulfilled) {
    const value = upgrade[key];
    if (Array.isArray(value) ? value.length > 0 : value) {
      warnings.push(`upgrade.${key} has no effect: the system image is read-only and copied as it is`);
    }
  }
  return { upgrade, config: typed, warnings };
}
