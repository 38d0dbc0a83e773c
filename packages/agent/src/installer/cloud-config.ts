import type { Answers } from '@kairos/pages/installer-api';
import { sha512Crypt } from '@kairos/stages/sha512-crypt';
import { stringify } from 'yaml';

/** Keys that are fetched, and so need the network. */
const isFetched = (key: string) => /^(github|gitlab):|^https?:\/\//.test(key);

export interface ConfigOptions {
  /** The login shell of the user. */
  readonly shell?: string;
  /** An image to install that is not the one of the live medium. */
  readonly source?: string | undefined;
  /** Whether other documents already describe a user who administers the node. */
  readonly hasAdmin: boolean;
  /** Default: SHA-512 crypt with a random salt. */
  readonly hash?: (password: string) => string;
}

function userStages({ user }: Answers, options: ConfigOptions): Record<string, unknown[]> {
  if (!user) return {};
  const { name, password, sshKeys } = user;
  const hash = options.hash ?? sha512Crypt;
  const local = sshKeys.filter((key) => !isFetched(key));
  const fetched = sshKeys.filter(isFetched);
  const account = {
    ...(password === '' ? { lock_passwd: true } : { passwd: hash(password) }),
    groups: ['admin'],
    ...(options.shell === undefined ? {} : { shell: options.shell }),
    ...(local.length > 0 ? { ssh_authorized_keys: local } : {}),
  };
  return {
    // Before the network is there, so that somebody can log in at the console of a node that has none.
    initramfs: [{ name: 'The user of the installation', users: { [name]: account } }],
    ...(fetched.length === 0
      ? {}
      : { network: [{ name: 'Keys of the user', authorized_keys: { [name]: fetched } }] }),
  };
}

function kubernetes({ kubernetes: { role, args, url, token } }: Answers): Record<string, unknown> {
  if (role === 'none') return {};
  const env = { ...(url === '' ? {} : { K3S_URL: url }), ...(token === '' ? {} : { K3S_TOKEN: token }) };
  return {
    [role]: {
      enabled: true,
      ...(args.length > 0 ? { args: [...args] } : {}),
      ...(Object.keys(env).length > 0 ? { env } : {}),
    },
  };
}

/** What a person answered as a cloud-config, which the installed node keeps. Passwords are hashed in it. */
export function cloudConfigOf(answers: Answers, options: ConfigOptions): string {
  const stages = userStages(answers, options);
  const config = {
    ...(answers.hostname === '' ? {} : { hostname: answers.hostname }),
    install: {
      device: answers.disk,
      ...(options.source === undefined ? {} : { source: options.source }),
      ...(answers.after === 'nothing' ? {} : { [answers.after]: true }),
      ...(answers.user || options.hasAdmin ? {} : { nousers: true }),
    },
    ...(Object.keys(stages).length > 0 ? { stages } : {}),
    ...kubernetes(answers),
  };
  return `#cloud-config\n\n${stringify(config, { lineWidth: 0 })}`;
}

const hidden = '********';

/** The same without what nobody should read over a shoulder. */
export function maskedConfig(answers: Answers, options: ConfigOptions): string {
  const { user, kubernetes: choice } = answers;
  return cloudConfigOf(
    {
      ...answers,
      ...(user ? { user: { ...user } } : {}),
      kubernetes: { ...choice, token: choice.token === '' ? '' : hidden },
    },
    { ...options, hash: () => hidden },
  );
}
