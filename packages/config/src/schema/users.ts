import { z } from 'zod';
import { flag, looseText, text, texts } from './kinds.ts';

/** A login name (useradd(8)): letters, digits, `_` and `-`, not beginning with a digit, at most 32 characters. */
export const userName = z
  .string()
  .regex(
    /^[a-z_][a-z0-9_-]{0,30}\$?$/,
    'expected a user name: a small letter or _, then small letters, digits, _ or -',
  );

const shape = {
  passwd: looseText.describe('Password, plain or as a crypt(5) hash'),
  hashed_passwd: text.describe('Password as a crypt(5) hash'),
  plain_text_passwd: looseText.describe('Password in plain; prefer passwd with a hash'),
  groups: texts,
  lock_passwd: flag.describe('Locks the password'),
  ssh_authorized_keys: texts.describe('Public keys, github:USER, gitlab:USER or a URL'),
  uid: looseText,
  homedir: text,
  shell: text,
  gecos: text,
  primary_group: text,
  no_create_home: flag,
  no_user_group: flag,
  no_log_init: flag,
  system: flag,
} as const;

/** A user of the list at the root. */
export const user = z.strictObject({ name: userName, ...shape }).describe('A user of the node');

/** Users of a step: by name. */
export const stageUsers = z
  .record(z.string(), z.strictObject({ name: z.string().nullish(), ...shape }).nullable())
  .nullish();
