import { describe, expect, test } from 'bun:test';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { sha512CryptMatches } from '../sha512-crypt.ts';
import { type TestMachine, testMachines, told } from '../test-machine.ts';

const testMachine = testMachines();

const me = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };

/** Accounts as a root has them; homes cannot be given away by whoever is not root, so those tests make none. */
function machine(): TestMachine {
  const made = testMachine();
  made.put('/etc/passwd', 'root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1::/:/sbin/nologin\n');
  made.put('/etc/group', 'root:x:0:\ndaemon:x:1:\nadmin:x:115:\nwheel:x:116:old\n');
  made.put('/etc/shadow', 'root:*:19000:0:99999:7:::\n', 0o640);
  made.put('/etc/gshadow', 'root:*::\nadmin:!::\n', 0o640);
  return made;
}
const lineOf = (made: TestMachine, file: string, name: string) =>
  made
    .read(file)
    .split('\n')
    .find((line) => line.startsWith(`${name}:`));

describe('a new user', () => {
  test('gets a number, a group, a hash and membership; shadow keeps its mode', async () => {
    const made = machine();
    const result = await made.step(
      'users:\n  kairos: { passwd: secret, groups: [admin], no_create_home: true }',
    );
    expect(result.problems).toEqual([]);
    expect(lineOf(made, '/etc/passwd', 'kairos')).toBe('kairos:x:1000:1000::/home/kairos:/bin/sh');
    expect(lineOf(made, '/etc/group', 'kairos')).toBe('kairos:x:1000:');
    expect(lineOf(made, '/etc/group', 'admin')).toBe('admin:x:115:kairos');
    expect(lineOf(made, '/etc/gshadow', 'admin')).toBe('admin:!::kairos');
    const [, hash = '', changed, ...rest] = lineOf(made, '/etc/shadow', 'kairos')?.split(':') ?? [];
    expect(sha512CryptMatches('secret', hash)).toBe(true);
    expect(Number(changed)).toBeGreaterThan(20_000);
    expect(rest).toEqual(['0', '99999', '7', '', '', '']);
    expect(made.mode('/etc/shadow')).toBe('640');
    expect(made.read('/etc/passwd')).not.toContain('secret');
  });

  test('never has uid 0: not by asking, not by a home that root owns', async () => {
    const made = machine();
    const result = await made.step(
      'users:\n  evil: { uid: 0, no_create_home: true }\n  toor: { homedir: /, no_create_home: true }',
    );
    expect(told(result)).toEqual(['UID_REFUSED:4']);
    expect(lineOf(made, '/etc/passwd', 'evil')).toBe('evil:x:1000:1000::/home/evil:/bin/sh');
    expect(lineOf(made, '/etc/passwd', 'toor')).toStartWith('toor:x:1001:');
  });

  test('has no uid 0 either where nobody has it yet, and no root is made', async () => {
    const made = testMachine();
    mkdirSync(join(made.folder, 'home/home'), { recursive: true });
    const result = await made.step(
      'users:\n  home: { no_create_home: true }\n  evil: { uid: 0, no_create_home: true }\n  root: { passwd: x }',
    );
    expect(told(result)).toEqual(['UID_REFUSED:5', 'ROOT_MISSING:6']);
    const uids = made
      .read('/etc/passwd')
      .trimEnd()
      .split('\n')
      .map((line) => line.split(':')[2]);
    expect(uids.length).toBe(2);
    expect(uids).not.toContain('0');
  });

  test('in order of names, after those who bring a number along, and never one that a home has', async () => {
    const made = machine();
    mkdirSync(join(made.folder, 'home/gone'), { recursive: true });
    const result = await made.step(
      'users:\n  zoe: { no_create_home: true }\n  bob: { no_create_home: true }\n  ann: { uid: 1001, no_create_home: true }',
    );
    expect(result.problems).toEqual([]);
    const free = [1000, 1002, 1003].filter((uid) => uid !== me.uid);
    expect(lineOf(made, '/etc/passwd', 'ann')).toStartWith('ann:x:1001:');
    expect(lineOf(made, '/etc/passwd', 'bob')).toStartWith(`bob:x:${free[0]}:`);
    expect(lineOf(made, '/etc/passwd', 'zoe')).toStartWith(`zoe:x:${free[1]}:`);
  });

  test('a taken number and missing groups are told, and the user is made all the same', async () => {
    const made = machine();
    const result = await made.step(
      'users:\n  a: { uid: 1, groups: [admin, nosuch], primary_group: none, no_create_home: true }',
    );
    expect(told(result)).toEqual(['UID_REFUSED:4', 'GROUP_UNKNOWN:4', 'GROUP_UNKNOWN:4']);
    expect(lineOf(made, '/etc/passwd', 'a')).toBe('a:x:1000:1000::/home/a:/bin/sh');
    expect(lineOf(made, '/etc/group', 'admin')).toBe('admin:x:115:a');
  });

  test.each([
    ['{ passwd: "$6$abc$def" }', '$6$abc$def'],
    ['{ passwd: "*" }', '*'],
    ['{ passwd: x, lock_passwd: true }', '!'],
    ['{ lock_passwd: true }', '!'],
    ['{}', '*'],
  ])('password of %s', async (user, hash) => {
    const made = machine();
    await made.step(`users:\n  u: ${user.replace('{', '{ no_create_home: true,')}`);
    expect(lineOf(made, '/etc/shadow', 'u')?.split(':')[1]).toBe(hash);
  });

  test.each(['a:b', 'root x', '-a', ''])('name %j is refused', async (name) => {
    const made = machine();
    const before = made.read('/etc/passwd');
    const result = await made.step(`users:\n- name: ${JSON.stringify(name)}`);
    expect(told(result)).toEqual(['USER_NAME_INVALID:4']);
    expect(made.read('/etc/passwd')).toBe(before);
  });

  test('a line break in a field is refused', async () => {
    const made = machine();
    const result = await made.step(
      'users:\n  u: { gecos: "a\\nroot2:x:0:0::/:/bin/sh", no_create_home: true }',
    );
    expect(told(result)).toEqual(['FIELD_INVALID:4']);
    expect(made.read('/etc/passwd')).not.toContain('root2');
  });
});

describe('an existing user', () => {
  test('keeps its number, gets shell, groups and password; the same password writes nothing again', async () => {
    const made = machine();
    const text =
      'users:\n  root: { passwd: pw, shell: /bin/bash, groups: "admin, wheel", uid: 5, no_create_home: true }';
    expect(told(await made.step(text))).toEqual(['UID_KEPT:4']);
    expect(lineOf(made, '/etc/passwd', 'root')).toBe('root:x:0:0:root:/root:/bin/bash');
    expect(lineOf(made, '/etc/group', 'wheel')).toBe('wheel:x:116:old,root');
    const shadow = made.read('/etc/shadow');
    expect(sha512CryptMatches('pw', shadow.split(':')[1] ?? '')).toBe(true);
    const again = await made.step(text);
    expect(again.steps[0]?.changes).toEqual([]);
    expect(made.read('/etc/shadow')).toBe(shadow);
  });
});

describe('keys', () => {
  const key = `ssh-ed25519 AAAA${'B'.repeat(40)}`;

  function withUser(): TestMachine {
    const made = machine();
    made.put('/etc/passwd', `me:x:${me.uid}:${me.gid}::/home/me:/bin/sh\n`);
    return made;
  }

  test('are added once, below a closed directory', async () => {
    const made = withUser();
    made.put('/home/me/.ssh/authorized_keys', `${key} old comment`);
    await made.step(`authorized_keys:\n  me:\n  - ${key} new comment\n  - ssh-rsa AAAA${'C'.repeat(40)} c`);
    expect(made.read('/home/me/.ssh/authorized_keys')).toBe(
      `${key} old comment\nssh-rsa AAAA${'C'.repeat(40)} c\n`,
    );
    expect(made.mode('/home/me/.ssh/authorized_keys')).toBe('600');
    expect(made.mode('/home/me/.ssh')).toBe('700');
  });

  test('from GitHub, with what cannot be fetched told and the rest added', async () => {
    const made = withUser();
    const asked: string[] = [];
    const result = await made.step(
      'authorized_keys:\n  me:\n  - github:octo\n  - gitlab:nobody\n  - github:a/b',
      {
        services: {
          async fetch(url) {
            asked.push(url);
            return url.includes('octo') ? new Response(`${key}\n\n`) : new Response('', { status: 404 });
          },
        },
      },
    );
    expect(asked).toEqual(['https://github.com/octo.keys', 'https://gitlab.com/nobody.keys']);
    expect(told(result)).toEqual(['HTTP_STATUS:6', 'KEY_SOURCE_INVALID:7']);
    expect(made.read('/home/me/.ssh/authorized_keys')).toBe(`${key}\n`);
  });

  test('of a user that does not exist', async () => {
    expect(told(await machine().step('authorized_keys:\n  ghost: [x]'))).toEqual(['USER_UNKNOWN:4']);
  });
});
