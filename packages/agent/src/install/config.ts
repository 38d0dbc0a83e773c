import { formatProblem, hasErrors, type Problem, sortProblems } from '@kairos/config/problem';
import type { CloudConfig } from '@kairos/config/schema/root';
import { subtree } from '@kairos/config/tree';
import { validate } from '@kairos/config/validate';
import { KairosError } from '@kairos/facts/errors';
import { type CollectedConfig, isMapping } from '../collect-config.ts';

export type InstallConfig = CloudConfig;
export type InstallKeys = NonNullable<CloudConfig['install']>;

/** Keys of the field that this installer cannot fulfil: ignoring them would be a broken promise. */
const unfulfilled: Readonly<Record<string, string>> = {
  encrypted_partitions: 'Encrypted partitions cannot be made; remove the key to install without',
  iso: 'Name the image with install.source instead',
  'extra-dirs-rootfs':
    'The root is read-only and complete when it is built; add the directories to the image',
};

const isAsked = (value: unknown) =>
  Array.isArray(value)
    ? value.length > 0
    : value !== undefined && value !== null && value !== false && value !== '';

/** What a valid configuration asks for and this installer does not do. */
function unfulfilledWishes(collected: CollectedConfig, install: InstallKeys, remote: boolean): Problem[] {
  const problems: Problem[] = [];
  const refuse = (path: readonly (string | number)[], message: string, hint: string) => {
    const found = subtree(collected.tree, path);
    problems.push({
      ...{ severity: 'error', code: 'INSTALL_KEY_UNSUPPORTED', message, hint },
      position: found?.key ?? found?.at ?? collected.tree.at,
    });
  };
  for (const [key, hint] of Object.entries(unfulfilled)) {
    const value = (install as Readonly<Record<string, unknown>>)[key];
    if (isAsked(value)) refuse(['install', key], `install.${key} is not supported`, hint);
  }
  for (const [name, partition] of Object.entries(install.partitions ?? {})) {
    const right = name === 'efi' ? 'vfat' : 'ext4';
    if (!partition?.fs || partition.fs === right || name === 'bios') continue;
    refuse(
      ['install', 'partitions', name, 'fs'],
      `install.partitions.${name}.fs: ${partition.fs} is not supported, this partition is ${right}`,
      'Remove the key',
    );
  }
  (install['extra-partitions'] ?? []).forEach(({ flags }, index) => {
    if (!isAsked(flags)) return;
    const path = ['install', 'extra-partitions', index, 'flags'];
    refuse(path, 'flags of an extra partition are not supported', 'Remove the key');
  });
  for (const key of ['passive', 'recovery-system'] as const) {
    const source = install[key]?.source ?? install[key]?.uri;
    if (!source) continue;
    refuse(
      ['install', key],
      `install.${key}.source is not supported: all slots get the same image`,
      'Remove the key; `kairos-agent upgrade --recovery` gives recovery another image later',
    );
  }
  if (collected.config.config_url && !remote) {
    refuse(['config_url'], 'config_url is not followed here', 'Give the document itself as a file');
  }
  return problems;
}

function groupsOf(user: Readonly<Record<string, unknown>>): string[] {
  const { groups, primary_group: primary } = user;
  const list = typeof groups === 'string' ? groups.split(',') : Array.isArray(groups) ? groups : [];
  return [...list.map(String), ...(typeof primary === 'string' ? [primary] : [])].map((name) => name.trim());
}

/** Whether any user, in `users` or in a step of a stage, is in the group `admin`. */
export function hasAdmin(config: Readonly<Record<string, unknown>>): boolean {
  const isAdmin = (user: unknown) => isMapping(user) && groupsOf(user).includes('admin');
  if (Array.isArray(config.users) && config.users.some(isAdmin)) return true;
  const stages = isMapping(config.stages) ? Object.values(config.stages) : [];
  return stages.some(
    (steps) =>
      Array.isArray(steps) &&
      steps.some(
        (step) => isMapping(step) && isMapping(step.users) && Object.values(step.users).some(isAdmin),
      ),
  );
}

/** Where an image says that it needs no users. */
export const allowNoUsersFile = '/etc/kairos/.nousers';

export interface CheckOptions {
  /** Unknown keys are errors. */
  readonly strict?: boolean;
  /** The image allows a node that nobody can log in to. */
  readonly allowNoUsers?: boolean;
  /** Whether `config_url` has been followed. */
  readonly remote?: boolean;
}

/**
 * Checks a configuration before an installation acts on it. Whatever is wrong anywhere is an error now, while
 * somebody watches, and not on the installed node.
 * @throws KairosError `CONFIG_INVALID` with all problems, `NO_ADMIN_USER`
 */
export function checkInstallConfig(
  collected: CollectedConfig,
  options: CheckOptions = {},
): { readonly config: InstallConfig; readonly warnings: readonly string[] } {
  const texts = new Map(collected.documents.map(({ file, text }) => [file, text]));
  const problems = [
    ...collected.problems,
    ...validate(collected.tree, options.strict === undefined ? {} : { strict: options.strict }),
  ];
  // Only a configuration of the right form can be asked what it wishes.
  if (!hasErrors(problems)) {
    const { install } = collected.config as InstallConfig;
    problems.push(...unfulfilledWishes(collected, install ?? {}, options.remote ?? false));
  }
  const sorted = sortProblems(problems);
  const errors = sorted.filter(({ severity }) => severity === 'error');
  const [first] = errors;
  if (first) {
    throw new KairosError(
      'CONFIG_INVALID',
      errors.map((problem) => formatProblem(problem, (file) => texts.get(file))).join('\n'),
      { exit: 'invalidInput', position: first.position, details: { problems: errors } },
    );
  }
  const config = collected.config as InstallConfig;
  if (!config.install?.nousers && !options.allowNoUsers && !hasAdmin(collected.config)) {
    const read = collected.documents.map(({ file }) => file).join(', ') || 'no file';
    throw new KairosError(
      'NO_ADMIN_USER',
      `No user is in the group admin, so nobody could log in to administer the node (read: ${read})`,
      {
        exit: 'invalidInput',
        hint: 'Add a user with `groups: [admin]`, or set `install.nousers: true`',
      },
    );
  }
  return {
    config,
    warnings: sorted.map(
      ({ position, message, hint }) =>
        `${position.file}:${position.line}:${position.column}: ${message}${hint === undefined ? '' : `; ${hint}`}`,
    ),
  };
}
