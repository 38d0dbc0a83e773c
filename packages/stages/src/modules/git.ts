import type { ModuleContext, StageModule } from '../context.ts';
import type { Field } from '../field.ts';
import { absolutePath } from './files.ts';

/** Holds a private key and known hosts while git runs; memory, not disk. */
const credentialRoot = '/run/kairos-git';

interface Credentials {
  readonly env: Readonly<Record<string, string>>;
  readonly cleanUp: () => void;
}

/** The host that an ssh address names: `user@host:path` or `ssh://user@host:port/path`. */
function sshHost(url: string): string | undefined {
  const short = /^(?:[^@/]+@)?([^:/]+):(?!\/\/)/.exec(url)?.[1];
  if (short !== undefined) return short;
  if (!url.startsWith('ssh://') || !URL.canParse(url)) return undefined;
  const { hostname, port } = new URL(url);
  return port === '' ? hostname : `[${hostname}]:${port}`;
}

/**
 * Credentials go by the environment and by files that only root reads, never by the command line, which every user of
 * the machine can see.
 */
function credentials(auth: Field, url: string, context: ModuleContext): Credentials {
  const { files } = context.host;
  auth.checkKeys(['username', 'password', 'private_key', 'public_key', 'insecure'], context.report);
  const text = (key: string) => context.render(auth.key(key)) ?? '';
  const env: Record<string, string> = { GIT_TERMINAL_PROMPT: '0' };
  const folder = `${credentialRoot}/${crypto.randomUUID()}`;
  let written = false;
  const secret = (name: string, content: string): string => {
    if (!written) files.makeDirectory(folder, { mode: 0o700 });
    written = true;
    const path = `${folder}/${name}`;
    files.write(path, content.endsWith('\n') ? content : `${content}\n`, { mode: 0o600 });
    return files.real(path);
  };
  if (text('password') !== '' && /^https?:/.test(url)) {
    const { origin } = new URL(url);
    env.GIT_CONFIG_COUNT = '1';
    env.GIT_CONFIG_KEY_0 = `http.${origin}/.extraHeader`;
    env.GIT_CONFIG_VALUE_0 = `Authorization: Basic ${Buffer.from(`${text('username')}:${text('password')}`).toString('base64')}`;
  }
  const ssh = ['ssh', '-o', 'BatchMode=yes'];
  if (text('private_key') !== '') {
    ssh.push('-i', secret('key', text('private_key')), '-o', 'IdentitiesOnly=yes');
  }
  const host = sshHost(url);
  if (auth.key('insecure').flag()) {
    ssh.push('-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null');
  } else if (text('public_key') !== '' && host !== undefined) {
    const known = secret('known_hosts', `${host} ${text('public_key').trim()}`);
    ssh.push('-o', 'StrictHostKeyChecking=yes', '-o', `UserKnownHostsFile=${known}`);
  }
  env.GIT_SSH_COMMAND = ssh.join(' ');
  return {
    env,
    cleanUp: () => {
      if (written) files.remove(folder);
    },
  };
}

/** Clones a repository, or brings an existing clone to the state of its branch, whatever was changed in it. */
export const git: StageModule = async (field, context) => {
  const { host } = context;
  field.checkKeys(['url', 'path', 'branch', 'branch_only', 'auth'], context.report);
  field.key('url').requiredText('the repository to clone');
  const url = context.render(field.key('url')) ?? '';
  const path = absolutePath(field.key('path'), context);
  const branch = context.render(field.key('branch')) || 'master';
  if (/^-|[\s~^:?*[\\]|\.\.|\0/.test(branch)) {
    throw field.key('branch').invalid('BRANCH_INVALID', `${JSON.stringify(branch)} cannot be a branch`);
  }
  if (url.startsWith('-') || /^ext::/i.test(url)) {
    throw field
      .key('url')
      .invalid('URL_INVALID', `${JSON.stringify(url)} is not the address of a repository`);
  }
  const { env, cleanUp } = credentials(field.key('auth'), url, context);
  const run = (...words: string[]) =>
    host.run(['git', ...words], { env, onLine: (line) => context.log(line) });
  try {
    const real = host.files.real(path);
    if (host.files.status(`${path}/.git`) === undefined) {
      const only = field.key('branch_only').flag() ? ['--single-branch'] : [];
      await run('clone', '--branch', branch, ...only, '--', url, real);
      return;
    }
    const known = `refs/remotes/origin/${branch}`;
    await run('-C', real, 'fetch', '--force', '--', url, `+refs/heads/${branch}:${known}`);
    await run('-C', real, 'checkout', '--force', '-B', branch, known);
    await run('-C', real, 'reset', '--hard', known);
  } finally {
    cleanUp();
  }
};
