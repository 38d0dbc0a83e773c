import { describe, expect, test } from 'bun:test';
import { parseDocument } from './document.ts';
import { jsonSchema } from './json-schema.ts';
import { rightPlace } from './misplaced-keys.ts';
import { treeOfDocument } from './tree.ts';
import { validate } from './validate.ts';

function problemsOf(text: string, strict = false) {
  return validate(treeOfDocument(parseDocument(text, 'f.yaml')), { strict });
}
const shortly = (text: string, strict = false) =>
  problemsOf(text, strict).map(({ severity, code, position, hint }) => [
    severity,
    code,
    `${position.line}:${position.column}`,
    hint,
  ]);

describe('valid as the field writes it', () => {
  test.each([
    ['keys without values', 'users:\n  - name: kairos\n    ssh_authorized_keys:\n    # - github:someone\n'],
    ['stages only', 'stages:\n  initramfs:\n    - name: x\n      commands: [echo]\n'],
    [
      'octal permissions',
      'stages:\n  boot:\n    - files:\n        - path: /a\n          permissions: 0600\n',
    ],
    ['a block of a bundle', 'metallb:\n  version: 0.13.7\n'],
    [
      'numbers where texts are meant',
      'stages:\n  boot:\n    - environment:\n        A: 1\n      sysctl:\n        a.b: 1\n',
    ],
    ['groups with commas', 'users:\n  - name: kairos\n    groups: users, admin\n'],
    [
      'groups with commas in a step',
      'stages:\n  boot:\n    - users:\n        kairos:\n          groups: users,admin\n',
    ],
    ['a script for a device', 'install:\n  device: script:///run/find-disk\n'],
    [
      'root cloud-init keys',
      'runcmd: [echo, [touch, a b]]\nusers: [default]\nwrite_files:\n  - path: /a\n    encoding: b64\n    content: YQ==\n',
    ],
  ])('%s', (_, text) => {
    expect(problemsOf(text)).toEqual([]);
  });
});

describe('wrong, at the right place', () => {
  test.each([
    [
      'install:\n  auto: yes\n',
      ['error', 'VALUE_INVALID', '2:9', 'write true: YAML 1.2 reads yes as a text'],
    ],
    ['install:\n  auto: "true"\n', ['error', 'VALUE_INVALID', '2:9', 'write true without quotes']],
    ['instal:\n  auto: true\n', ['warning', 'KEY_UNKNOWN', '1:1', 'did you mean install?']],
    ['options: [a=b]\n', ['warning', 'OPTIONS_LIST', '1:10', 'Write `name: value` lines below options']],
    ['hostname: 17\n', ['error', 'VALUE_INVALID', '1:11', 'put the value in quotes']],
    ['install:\n  devise: auto\n', ['warning', 'KEY_UNKNOWN', '2:3', 'did you mean device?']],
    ['install:\n  device: sda\n', ['error', 'VALUE_INVALID', '2:11', undefined]],
    ['install:\n  no_format: true\n', ['warning', 'KEY_MISSPELT', '2:3', 'write no-format']],
    [
      'stages:\n  boot:\n    - commands: echo\n',
      ['error', 'VALUE_INVALID', '3:17', 'write a list, each item on a line of its own after "- "'],
    ],
    ['users:\n  - name: a\n    grops: [b]\n', ['warning', 'KEY_UNKNOWN', '3:5', 'did you mean groups?']],
    ['users:\n  - name: a\n    uid: [1]\n', ['error', 'VALUE_INVALID', '3:10', undefined]],
    ['users:\n  - name: a\n    groups: { b: c }\n', ['error', 'VALUE_INVALID', '3:13', undefined]],
    ['users:\n  - everybody\n', ['error', 'VALUE_INVALID', '2:5', undefined]],
    ['reboot: true\n', ['warning', 'KEY_MISPLACED', '1:1', 'write it below install']],
    ['packages: [vim]\n', ['warning', 'KEY_MISPLACED', '1:1', 'write it in a step, such as stages.boot[0]']],
    ['passwd: x\n', ['warning', 'KEY_MISPLACED', '1:1', 'write it at one of users']],
    ['timezone: UTC\n', ['warning', 'KEY_MISPLACED', '1:1', 'write systemd_firstboot in a step']],
    ['users:\n  - name: "007"\n', ['error', 'VALUE_INVALID', '2:11', undefined]],
    [
      'install:\n  reboot: true\n  poweroff: true\n',
      ['error', 'REBOOT_AND_POWEROFF', '3:13', 'Keep one of them'],
    ],
    [
      'install:\n  ssh_hardening: true\nusers:\n  - name: a\n',
      [
        'error',
        'SSH_HARDENING_WITHOUT_KEY',
        '2:18',
        'Give a user ssh_authorized_keys, or leave ssh_hardening away',
      ],
    ],
    [
      'install:\n  ssh_hardening: true\nusers:\n  - name: a\n    passwd: x\n    ssh_authorized_keys: [k]\n',
      ['warning', 'SSH_HARDENING_PASSWORD', '5:5', 'Leave the password away, or keep it for the console'],
    ],
    [
      'p2p:\n  network_token: t\n  auto:\n    enable: true\n    ha:\n      enable: true\n      master_nodes: 0\n',
      ['error', 'P2P_HA_WITHOUT_MASTERS', '7:21', 'Write 2, for three control planes together'],
    ],
    [
      'p2p:\n  auto:\n    enable: true\n',
      ['error', 'P2P_TOKEN_MISSING', '2:3', 'Put in the token that the nodes of this network share'],
    ],
  ] as const)('%j', (text, expected) => {
    expect(shortly(text)).toEqual([[...expected]]);
  });

  test('all problems at once', () => {
    expect(
      shortly('install:\n  auto: 1\n  device: x\nreset:\n  rebot: true\n').map(([, code]) => code),
    ).toEqual(['VALUE_INVALID', 'VALUE_INVALID', 'KEY_UNKNOWN']);
  });

  test('of a user each mistake by itself, with its place', () => {
    const text = 'users:\n  - name: a\n    passwd: [x]\n    lock_passwd: 1\n    shel: /bin/sh\n  - 7\n';
    expect(problemsOf(text).map(({ message, position }) => [position.line, message])).toEqual([
      [3, 'users.0.passwd: expected a text or a number or true or false, found a list'],
      [4, 'users.0.lock_passwd: expected true or false, found a number'],
      [5, 'unknown key shel in users.0'],
      [6, 'users.1: expected a map, found a number'],
    ]);
  });

  test('strict makes unknown keys errors', () => {
    expect(shortly('install:\n  devise: auto\n', true)[0]?.[0]).toBe('error');
    expect(shortly('install:\n  no_format: true\n', true)[0]?.[0]).toBe('warning');
  });

  test('keys for hardening by a step count as keys', () => {
    const text =
      'install:\n  ssh_hardening: true\nstages:\n  boot:\n    - authorized_keys:\n        a: [github:a]\n';
    expect(problemsOf(text)).toEqual([]);
  });
});

test('a key with a right place has no effect at the root, and strictly is an error', () => {
  expect(shortly('commands: [ls]\n', true)[0]?.slice(0, 2)).toEqual(['error', 'KEY_MISPLACED']);
  for (const key of ['hostname', 'users', 'name', 'metallb', 'constructor'])
    expect(rightPlace(key)).toBeUndefined();
});

test('the JSON Schema says the same', () => {
  const schema = jsonSchema('1.2.3') as {
    $id: string;
    properties: Record<
      string,
      { anyOf?: { properties?: Record<string, unknown>; additionalProperties?: unknown }[] }
    >;
  };
  expect(schema.$id).toBe('https://kairos.io/1.2.3/cloud-config.json');
  const install = schema.properties.install?.anyOf?.[0];
  expect(Object.keys(install?.properties ?? {})).toContain('no-format');
  expect(install?.additionalProperties).toBe(false);
  expect(JSON.stringify(schema)).not.toContain('undefined');
});
