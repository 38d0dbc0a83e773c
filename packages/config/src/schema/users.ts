import { z } from 'zod';
import { flag, looseText, text, texts } from './kinds.ts';

/** A login name (useradd(8)): letters, digits, `_` and `-`, not beginning with a digit, at most 32 characters. */
export const userName = z
  .string()
  .regex(
    /^[a-z_][a-z0-9_-]{0,30}\$?$/,
    'expected a user name: a small letter or _, then small letters, digits, _ or -',
  )
  .describe('Login name');

const shape = {
  passwd: looseText.describe('Password, plain or as a crypt(5) hash; plain ones are hashed'),
  hashed_passwd: text.describe('Password as a crypt(5) hash'),
  plain_text_passwd: looseText.describe('Password in plain; better passwd with a hash'),
  groups: z
    .union([z.array(z.string().nullable()), z.string()])
    .nullish()
    .describe('Further groups, which must exist, as a list or with commas; admin may use sudo'),
  lock_passwd: flag.describe('Nobody can log in with a password'),
  ssh_authorized_keys: texts.describe('Public keys, github:USER, gitlab:USER or a URL'),
  uid: looseText.describe('Number of the user; default: the first free one'),
  homedir: text.describe('Home directory; default /home/NAME'),
  shell: text.describe('Login shell; default as useradd has it'),
  gecos: text.describe('Full name and the like'),
  primary_group: text.describe('Main group; default: one of the same name'),
  no_create_home: flag.describe('No home directory is made'),
  no_user_group: flag.describe('No group of the same name is made'),
  no_log_init: flag.describe('Accepted and without effect: lastlog is not written'),
  system: flag.describe('A system account, with a number below 1000'),
} as const;

/** A user of the list at the root. */
export const user = z.strictObject({ name: userName, ...shape }).describe('A user of the node');

/** Users of a step: by name. */
export const stageUsers = z
  .record(
    z.string(),
    z
      .strictObject({ name: z.string().nullish().describe('Login name instead of the key'), ...shape })
      .nullable(),
  )
  .nullish()
  .describe('Users to make or update, by name');
