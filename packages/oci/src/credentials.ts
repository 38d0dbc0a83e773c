import { isSystemError, KairosError } from '@kairos/facts/errors';
import type { Host } from '@kairos/host/host';
import { z } from 'zod';

/** Who one is to a registry. Never put into a message or a log. */
export type Credential =
  | { readonly kind: 'password'; readonly username: string; readonly password: string }
  /** An OAuth 2 refresh token, as `docker login` keeps it for registries that give one. */
  | { readonly kind: 'identity-token'; readonly token: string };

export interface CredentialStore {
  /** @throws KairosError `CREDENTIALS_INVALID`, `CREDENTIAL_HELPER_FAILED` */
  find(registry: string, repository: string): Promise<Credential | undefined>;
}

export const noCredentials: CredentialStore = { find: async () => undefined };

const authFileSchema = z.object({
  auths: z
    .record(
      z.string(),
      z.object({
        auth: z.string().optional(),
        username: z.string().optional(),
        password: z.string().optional(),
        identitytoken: z.string().optional(),
      }),
    )
    .nullish(),
  credHelpers: z.record(z.string(), z.string()).nullish(),
  credsStore: z.string().nullish(),
});
type AuthFile = z.infer<typeof authFileSchema>;
const helperAnswerSchema = z.object({ Username: z.string(), Secret: z.string() });

/** Where Docker and Podman keep credentials, in the order in which they are asked (containers-auth.json(5)). */
export function credentialFiles(env: Readonly<Record<string, string | undefined>>, uid: number): string[] {
  if (env.REGISTRY_AUTH_FILE) return [env.REGISTRY_AUTH_FILE];
  const files: string[] = [];
  files.push(
    env.XDG_RUNTIME_DIR ? `${env.XDG_RUNTIME_DIR}/containers/auth.json` : `/run/containers/${uid}/auth.json`,
  );
  const home = env.HOME ?? (uid === 0 ? '/root' : undefined);
  const configuration = env.XDG_CONFIG_HOME ?? (home === undefined ? undefined : `${home}/.config`);
  if (configuration !== undefined) files.push(`${configuration}/containers/auth.json`);
  const docker = env.DOCKER_CONFIG ?? (home === undefined ? undefined : `${home}/.docker`);
  if (docker !== undefined) files.push(`${docker}/config.json`);
  return files;
}

/** Names under which a file may keep the credentials of a repository, the most particular first. */
function keysFor(registry: string, repository: string): string[] {
  const keys: string[] = [];
  const parts = repository.split('/');
  for (let count = parts.length; count > 0; count--)
    keys.push(`${registry}/${parts.slice(0, count).join('/')}`);
  keys.push(registry);
  if (registry === 'docker.io') keys.push('index.docker.io', 'registry-1.docker.io');
  return keys;
}

/** `https://host/v1/` and the like, as old Dockers wrote keys, is the host. */
function plainKey(key: string): string {
  const bare = key.replace(/^https?:\/\//, '');
  return bare === key ? key.replace(/\/$/, '') : (bare.split('/')[0] ?? bare);
}

function decodeAuth(auth: string, file: string, key: string): Credential {
  const text = Buffer.from(auth, 'base64').toString('utf8').replace(/\0+$/, '');
  const colon = text.indexOf(':');
  if (colon < 0) {
    throw new KairosError(
      'CREDENTIALS_INVALID',
      `${file}: the credentials for ${key} are not user:password in base64`,
      {
        exit: 'invalidInput',
      },
    );
  }
  return { kind: 'password', username: text.slice(0, colon), password: text.slice(colon + 1) };
}

async function askHelper(host: Host, helper: string, registry: string): Promise<Credential | undefined> {
  const failed = (reason: string) =>
    new KairosError(
      'CREDENTIAL_HELPER_FAILED',
      `The credential helper ${JSON.stringify(helper)} for ${registry} ${reason}`,
      {
        exit: 'toolFailed',
      },
    );
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(helper)) throw failed('has no valid name');
  const server = registry === 'docker.io' ? 'https://index.docker.io/v1/' : registry;
  let output: string;
  try {
    const result = await host.run([`docker-credential-${helper}`, 'get'], {
      input: server,
      okCodes: [0, 1],
      timeout: 30_000,
    });
    if (result.code !== 0) {
      if (/credentials not found/i.test(result.stdout + result.stderr)) return undefined;
      throw failed('failed');
    }
    output = result.stdout;
  } catch (error) {
    if (error instanceof KairosError && error.code === 'CREDENTIAL_HELPER_FAILED') throw error;
    // The cause is not kept: what the helper wrote may hold the secret.
    const code = error instanceof KairosError ? error.code : undefined;
    throw failed(
      code === 'TOOL_MISSING' ? 'is not installed' : code === 'TOOL_TIMEOUT' ? 'did not answer' : 'failed',
    );
  }
  let answer: z.infer<typeof helperAnswerSchema>;
  try {
    answer = helperAnswerSchema.parse(JSON.parse(output));
  } catch {
    throw failed('gave no valid answer');
  }
  if (answer.Username === '<token>') return { kind: 'identity-token', token: answer.Secret };
  return { kind: 'password', username: answer.Username, password: answer.Secret };
}

function readAuthFile(host: Host, path: string, named: boolean): AuthFile | undefined {
  let text: string | undefined;
  try {
    text = host.files.readTextIfAny(path);
  } catch (error) {
    // Another user's file, such as root's run directory, is no source of credentials; one that was named is.
    if (!named && isSystemError(error, 'EACCES', 'EPERM')) return undefined;
    throw error;
  }
  if (text === undefined) {
    if (!named) return undefined;
    throw new KairosError('CREDENTIALS_INVALID', `There is no credentials file ${path}`, {
      exit: 'notFound',
    });
  }
  try {
    return authFileSchema.parse(text.trim() === '' ? {} : JSON.parse(text));
  } catch {
    // Neither the parser's message nor the value: both could show a secret.
    throw new KairosError('CREDENTIALS_INVALID', `${path} is not a valid credentials file`, {
      exit: 'invalidInput',
    });
  }
}

/** Credentials from the files of Docker and Podman and their helpers, read when they are first asked for. */
export function fileCredentials(
  host: Host,
  env: Readonly<Record<string, string | undefined>> = process.env,
): CredentialStore {
  const named = Boolean(env.REGISTRY_AUTH_FILE);
  const find = async (registry: string, repository: string): Promise<Credential | undefined> => {
    for (const path of credentialFiles(env, host.uid)) {
      const file = readAuthFile(host, path, named);
      if (file === undefined) continue;
      const entries = new Map(Object.entries(file.auths ?? {}).map(([key, value]) => [plainKey(key), value]));
      const helpers = new Map(
        Object.entries(file.credHelpers ?? {}).map(([key, value]) => [plainKey(key), value]),
      );
      for (const key of keysFor(registry, repository)) {
        const helper = helpers.get(key);
        const found = helper === undefined ? undefined : await askHelper(host, helper, registry);
        if (found !== undefined) return found;
        const entry = entries.get(key);
        if (entry?.identitytoken) return { kind: 'identity-token', token: entry.identitytoken };
        if (entry?.auth) return decodeAuth(entry.auth, path, key);
        if (entry?.username !== undefined && entry.password !== undefined) {
          return { kind: 'password', username: entry.username, password: entry.password };
        }
      }
      if (file.credsStore) {
        const found = await askHelper(host, file.credsStore, registry);
        if (found !== undefined) return found;
      }
    }
    return undefined;
  };
  return { find };
}
