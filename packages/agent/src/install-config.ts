import type { Document, Path } from '@kairos/config/document';
import { KairosError, type Position } from '@kairos/facts/errors';
import { didYouMean } from '@kairos/facts/suggest';
import { z } from 'zod';
import { type CollectedConfig, isMapping } from './collect-config.ts';

const mebibytes = z.int().nonnegative();
const partition = z.looseObject({ size: mebibytes.optional(), fs: z.literal('ext4').optional() });
const image = z.looseObject({
  source: z.string().optional(),
  uri: z.string().optional(),
  size: mebibytes.optional(),
  label: z.string().optional(),
  fs: z.string().optional(),
});
const environment = z.array(z.string().regex(/^[^=]+=/, 'expected NAME=VALUE'));
const scalar = z.union([z.string(), z.number(), z.boolean()]);

/** Keys of `install:` in the spelling of the field. */
const installSchema = z.looseObject({
  auto: z.boolean().optional(),
  device: z
    .string()
    .regex(/^(|auto|\/dev\/.+|script:\/\/.+)$/, 'expected auto, a path below /dev or script://PATH')
    .optional(),
  source: z.string().min(1).optional(),
  reboot: z.boolean().optional(),
  poweroff: z.boolean().optional(),
  force: z.boolean().optional(),
  'no-format': z.boolean().optional(),
  nousers: z.boolean().optional(),
  ssh_hardening: z.boolean().optional(),
  'allow-insecure-registries': z.boolean().optional(),
  system: image.optional(),
  passive: image.optional(),
  'recovery-system': image.optional(),
  partitions: z
    .looseObject({
      oem: partition.optional(),
      recovery: partition.optional(),
      state: partition.optional(),
      persistent: partition.optional(),
      efi: partition.extend({ fs: z.literal('vfat').optional() }).optional(),
    })
    .optional(),
  'extra-partitions': z
    .array(
      z.looseObject({
        name: z.string().min(1),
        size: mebibytes.optional(),
        fs: z.string().optional(),
        label: z.string().optional(),
        flags: z.array(z.string()).max(0, 'flags are not supported').optional(),
      }),
    )
    .optional(),
  'part-table': z.literal('gpt').optional(),
  firmware: z.enum(['efi', 'bios']).optional(),
  'grub-entry-name': z.string().optional(),
  grub_options: z.record(z.string(), scalar).optional(),
  bind_mounts: z.array(z.string().startsWith('/')).optional(),
  ephemeral_mounts: z.array(z.string().startsWith('/')).optional(),
  encrypted_partitions: z.array(z.string()).optional(),
  env: environment.optional(),
});

const configSchema = z.looseObject({
  install: installSchema.optional(),
  strict: z.boolean().optional(),
  debug: z.boolean().optional(),
  hostname: z.string().optional(),
  config_url: z.string().optional(),
  grub_options: z.record(z.string(), scalar).optional(),
  env: environment.optional(),
  'cloud-init-paths': z.array(z.string().startsWith('/')).optional(),
  users: z
    .array(
      z.union([
        z.string(),
        z.looseObject({
          name: z.string().min(1),
          groups: z.union([z.string(), z.array(z.string())]).optional(),
          primary_group: z.string().optional(),
          ssh_authorized_keys: z.array(z.string()).optional(),
        }),
      ]),
    )
    .optional(),
  stages: z.record(z.string(), z.union([z.array(z.looseObject({})), z.null()])).optional(),
});

export type InstallConfig = z.infer<typeof configSchema>;
export type InstallKeys = z.infer<typeof installSchema>;

/** Keys of the field that this installer knows and cannot fulfil yet: ignoring them would be a broken promise. */
const unfulfilled: Readonly<Record<string, string>> = {
  encrypted_partitions:
    'Encrypted partitions cannot be made by this version; remove the key to install without',
  ssh_hardening: 'Put an sshd_config.d file into stages instead',
  bundles: 'Put the bundles into the root `bundles` or build them into the image',
  iso: 'Give the image with install.source instead',
  'extra-dirs-rootfs':
    'The root is read-only and complete when it is built; add the directories to the image',
};

/** Keys that are right and have no meaning for this installer. */
const withoutMeaning = ['tty', 'cloud-init', 'skip-entries', 'skip_copy_kcrypt_plugin', 'image', 'options'];

export interface ConfigProblem {
  readonly message: string;
  readonly position: Position;
}

const where = ({ file, line, column }: Position) => `${file}:${line}:${column}`;

function fail(problems: readonly ConfigProblem[], hint?: string): never {
  const [first] = problems;
  throw new KairosError(
    'CONFIG_INVALID',
    problems.map(({ message, position }) => `${where(position)}: ${message}`).join('\n'),
    {
      exit: 'invalidInput',
      ...(first === undefined ? {} : { position: first.position }),
      ...(hint === undefined ? {} : { hint }),
      details: { problems },
    },
  );
}

/** The last document that has something at `path`: its value is the one in force. */
function documentOf(documents: readonly Document[], path: Path): Document | undefined {
  return documents.findLast((document) => {
    let value: unknown = document.value;
    for (const step of path) {
      if (typeof step === 'number' && Array.isArray(value)) value = value[step];
      else if (isMapping(value) && Object.hasOwn(value, step)) value = value[step];
      else return false;
    }
    return true;
  });
}

const nameOf = (path: Path) =>
  path.reduce<string>(
    (text, step) => (typeof step === 'number' ? `${text}[${step}]` : text ? `${text}.${step}` : step),
    '',
  );

const pathOf = (path: readonly PropertyKey[]): Path =>
  path.map((step) => (typeof step === 'number' ? step : String(step)));

function checkKinds(document: Document): ConfigProblem[] {
  const checked = configSchema.safeParse(withoutNulls(document.value ?? {}));
  if (checked.success) return [];
  return checked.error.issues.map((issue) => {
    const path = pathOf(issue.path);
    const text = issue.message.replace(/^Invalid (?:input|string|option): /, '');
    return { message: `${nameOf(path)}: ${text}`, position: document.positionOf(path) };
  });
}

/** `null` takes a value back from an earlier file and is right everywhere. */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (!isMapping(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, item]) => item !== null)
      .map(([key, item]) => [key, withoutNulls(item)]),
  );
}

function unknownKeys(document: Document): ConfigProblem[] {
  const install = isMapping(document.value) ? document.value.install : undefined;
  if (!isMapping(install)) return [];
  const known = [...Object.keys(installSchema.shape), ...Object.keys(unfulfilled), ...withoutMeaning];
  return Object.keys(install)
    .filter((key) => !known.includes(key))
    .map((key) => {
      const near = didYouMean(key, known);
      return {
        message: `install.${key} is not a known key${near ? `; did you mean ${near}?` : ''}`,
        position: document.keyPositionOf(['install', key]),
      };
    });
}

function groupsOf(user: Readonly<Record<string, unknown>>): string[] {
  const { groups, primary_group: primary } = user;
  const list = typeof groups === 'string' ? groups.split(',') : Array.isArray(groups) ? groups : [];
  return [...list.map(String), ...(typeof primary === 'string' ? [primary] : [])].map((name) => name.trim());
}

/** Whether any user, in `users` or in a step of a stage, is in the group `admin`. */
export function hasAdmin(config: InstallConfig): boolean {
  const isAdmin = (user: unknown) => isMapping(user) && groupsOf(user).includes('admin');
  if (config.users?.some(isAdmin)) return true;
  return Object.values(config.stages ?? {}).some((steps) =>
    (steps ?? []).some((step) => isMapping(step.users) && Object.values(step.users).some(isAdmin)),
  );
}

export interface CheckOptions {
  /** Unknown keys are errors. */
  readonly strict?: boolean;
  /** The image allows a node that nobody can log in to. */
  readonly allowNoUsers?: boolean;
}

/**
 * Checks what an installation reads of the configuration. Every file is checked by itself, so that a mistake is told
 * where it stands even if a later file covers it.
 * @throws KairosError `CONFIG_INVALID` with all problems, `INSTALL_KEY_UNSUPPORTED`, `NO_ADMIN_USER`
 */
export function checkInstallConfig(
  collected: CollectedConfig,
  options: CheckOptions = {},
): { readonly config: InstallConfig; readonly warnings: readonly string[] } {
  const { documents } = collected;
  const problems = documents.flatMap(checkKinds);
  const unknown = documents.flatMap(unknownKeys);
  if (options.strict) problems.push(...unknown);
  if (problems.length > 0) fail(problems);
  const config = configSchema.parse(withoutNulls(collected.config));
  const install = config.install ?? {};
  const positionOf = (path: Path): Position =>
    documentOf(documents, path)?.keyPositionOf(path) ?? {
      file: documents[0]?.file ?? 'configuration',
      line: 1,
      column: 1,
    };
  if (install.reboot && install.poweroff) {
    fail(
      [
        {
          message: 'install.reboot and install.poweroff are both true',
          position: positionOf(['install', 'poweroff']),
        },
        { message: 'install.reboot is here', position: positionOf(['install', 'reboot']) },
      ],
      'Keep one of them',
    );
  }
  for (const [key, hint] of Object.entries(unfulfilled)) {
    const value = install[key];
    const asked = Array.isArray(value)
      ? value.length > 0
      : value !== undefined && value !== false && value !== '';
    if (!asked) continue;
    const position = positionOf(['install', key]);
    throw new KairosError('INSTALL_KEY_UNSUPPORTED', `${where(position)}: install.${key} is not supported`, {
      exit: 'invalidInput',
      position,
      hint,
    });
  }
  if (config.config_url) {
    const position = positionOf(['config_url']);
    throw new KairosError('INSTALL_KEY_UNSUPPORTED', `${where(position)}: config_url is not supported`, {
      exit: 'invalidInput',
      position,
      hint: 'Put the document itself beside the image or give it as a file',
    });
  }
  if (!install.nousers && !options.allowNoUsers && !hasAdmin(config)) {
    throw new KairosError(
      'NO_ADMIN_USER',
      `No user is in the group admin, so nobody could log in to administer the node (read: ${
        documents.map(({ file }) => file).join(', ') || 'no file'
      })`,
      {
        exit: 'invalidInput',
        hint: 'Add a user with `groups: [admin]`, or set `install.nousers: true`',
      },
    );
  }
  return { config, warnings: unknown.map(({ message, position }) => `${where(position)}: ${message}`) };
}
