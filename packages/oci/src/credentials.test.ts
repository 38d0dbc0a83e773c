import { afterEach, beforeEach, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { directoryHost } from '@kairos/host/directory';
import type { RunOptions } from '@kairos/host/host';
import { credentialFiles, fileCredentials } from './credentials.ts';
import { failure } from './test-content.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'credentials-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const base64 = (text: string) => Buffer.from(text).toString('base64');
const environment = { HOME: '/root' };
const dockerFile = '/root/.docker/config.json';

function storeOf(
  files: Readonly<Record<string, unknown>>,
  helpers: Readonly<
    Record<string, (input: string) => { stdout?: string; stderr?: string; code?: number }>
  > = {},
  env: Readonly<Record<string, string>> = environment,
) {
  const host = directoryHost(folder, {
    run: ([name = ''], options: RunOptions) => helpers[name]?.(String(options.input)),
  });
  for (const [path, content] of Object.entries(files)) {
    host.files.write(path, typeof content === 'string' ? content : JSON.stringify(content));
  }
  return fileCredentials(host, env);
}

test('the files in their order', () => {
  expect(credentialFiles({ HOME: '/home/a' }, 7)).toEqual([
    '/run/containers/7/auth.json',
    '/home/a/.config/containers/auth.json',
    '/home/a/.docker/config.json',
  ]);
  expect(
    credentialFiles({ XDG_RUNTIME_DIR: '/run/user/7', XDG_CONFIG_HOME: '/c', DOCKER_CONFIG: '/d' }, 7),
  ).toEqual(['/run/user/7/containers/auth.json', '/c/containers/auth.json', '/d/config.json']);
  expect(credentialFiles({ REGISTRY_AUTH_FILE: '/x' }, 0)).toEqual(['/x']);
  expect(credentialFiles({}, 0).at(-1)).toBe('/root/.docker/config.json');
});

test('the most particular entry is taken', async () => {
  const auths = {
    'example.org': { auth: base64('host:1') },
    'example.org/a': { auth: base64('a:2') },
    'example.org/a/b': { auth: base64('b:3:4') },
    'https://index.docker.io/v1/': { username: 'hub', password: '5' },
    'token.org': { identitytoken: 'refresh', auth: base64('x:') },
  };
  const store = storeOf({ [dockerFile]: { auths } });
  const password = (username: string, secret: string) => ({
    kind: 'password' as const,
    username,
    password: secret,
  });
  expect(await store.find('example.org', 'a/b')).toEqual(password('b', '3:4'));
  expect(await store.find('example.org', 'a/c/d')).toEqual(password('a', '2'));
  expect(await store.find('example.org', 'x')).toEqual(password('host', '1'));
  expect(await store.find('docker.io', 'library/a')).toEqual(password('hub', '5'));
  expect(await store.find('token.org', 'a')).toEqual({ kind: 'identity-token', token: 'refresh' });
  expect(await store.find('example.org:5000', 'a')).toBeUndefined();
});

test("Podman's file is asked before Docker's", async () => {
  const store = storeOf({
    '/run/containers/0/auth.json': { auths: { 'example.org': { auth: base64('podman:p') } } },
    [dockerFile]: {
      auths: { 'example.org': { auth: base64('docker:d') }, 'other.org': { auth: base64('docker:d') } },
    },
  });
  expect((await store.find('example.org', 'a')) as object).toMatchObject({ username: 'podman' });
  expect((await store.find('other.org', 'a')) as object).toMatchObject({ username: 'docker' });
});

test('helpers for one registry and for all', async () => {
  const asked: string[] = [];
  const store = storeOf(
    { [dockerFile]: { credHelpers: { 'example.org': 'one' }, credsStore: 'all' } },
    {
      'docker-credential-one': (input) => {
        asked.push(`one ${input}`);
        return { stdout: '{"Username":"u","Secret":"s"}' };
      },
      'docker-credential-all': (input) => {
        asked.push(`all ${input}`);
        if (input === 'none.org') return { stdout: 'credentials not found in native keychain\n', code: 1 };
        return { stdout: '{"Username":"<token>","Secret":"t"}' };
      },
    },
  );
  expect(await store.find('example.org', 'a')).toEqual({ kind: 'password', username: 'u', password: 's' });
  expect(await store.find('docker.io', 'a')).toEqual({ kind: 'identity-token', token: 't' });
  expect(await store.find('none.org', 'a')).toBeUndefined();
  expect(asked).toEqual(['one example.org', 'all https://index.docker.io/v1/', 'all none.org']);
});

test.each<[string, unknown, string]>([
  [
    'a file that is no JSON',
    '{"auths": hunter2',
    '/root/.docker/config.json is not a valid credentials file',
  ],
  [
    'a member of the wrong type',
    { auths: { a: { auth: 1 } } },
    '/root/.docker/config.json is not a valid credentials file',
  ],
  [
    'no colon',
    { auths: { 'example.org': { auth: base64('hunter2') } } },
    '/root/.docker/config.json: the credentials for example.org are not user:password in base64',
  ],
])('%s is told without its content', async (_, content, message) => {
  const store = storeOf({ [dockerFile]: content });
  expect(await failure(store.find('example.org', 'a'))).toEqual(['CREDENTIALS_INVALID', message]);
});

test.each<[string, string, { stdout?: string; code?: number } | undefined, string]>([
  ['fails', 'one', { stdout: 'hunter2', code: 1 }, 'The credential helper "one" for example.org failed'],
  [
    'fails otherwise',
    'one',
    { stdout: 'hunter2', code: 3 },
    'The credential helper "one" for example.org failed',
  ],
  [
    'babbles',
    'one',
    { stdout: 'hunter2' },
    'The credential helper "one" for example.org gave no valid answer',
  ],
  ['is missing', 'one', undefined, 'The credential helper "one" for example.org is not installed'],
  ['is a path', '../x', undefined, 'The credential helper "../x" for example.org has no valid name'],
])('a helper that %s is told without what it said', async (_, name, answer, message) => {
  const store = storeOf(
    { [dockerFile]: { credHelpers: { 'example.org': name } } },
    answer === undefined ? {} : { 'docker-credential-one': () => answer },
  );
  expect(await failure(store.find('example.org', 'a'))).toEqual(['CREDENTIAL_HELPER_FAILED', message]);
});

test('a file that was named has to be there', async () => {
  const store = storeOf({}, {}, { REGISTRY_AUTH_FILE: '/none' });
  expect(await failure(store.find('example.org', 'a'))).toEqual([
    'CREDENTIALS_INVALID',
    'There is no credentials file /none',
  ]);
});
