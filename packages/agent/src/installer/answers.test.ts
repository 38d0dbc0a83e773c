import { expect, test } from 'bun:test';
import { readAnswers } from './answers.ts';
import { cloudConfigOf } from './cloud-config.ts';

const key = `ssh-ed25519 ${'A'.repeat(68)} ada@home`;
const options = { hasAdmin: false, shell: '/bin/bash', hash: (password: string) => `hash of ${password}` };

test('nothing answered is an installation without users on the largest disk', () => {
  expect(cloudConfigOf(readAnswers({}), options)).toBe(
    '#cloud-config\n\ninstall:\n  device: auto\n  nousers: true\n',
  );
});

test('all answers as a cloud-config: local keys before the network, fetched ones with it', () => {
  const answers = readAnswers({
    ...{ disk: '/dev/vda', erase: true, hostname: 'node-{{ trunc 4 .MachineID }}', after: 'poweroff' },
    user: { name: 'ada', password: 'pass', sshKeys: [key, 'github:ada', 'https://example.org/keys'] },
    kubernetes: { role: 'k3s-agent', args: ['--node-label=a=b'], url: 'https://10.0.0.1:6443', token: 't' },
  });
  expect(cloudConfigOf(answers, { ...options, source: 'oci:/x' })).toBe(`#cloud-config

hostname: node-{{ trunc 4 .MachineID }}
install:
  device: /dev/vda
  source: oci:/x
  poweroff: true
stages:
  initramfs:
    - name: The user of the installation
      users:
        ada:
          passwd: hash of pass
          groups:
            - admin
          shell: /bin/bash
          ssh_authorized_keys:
            - ${key}
  network:
    - name: Keys of the user
      authorized_keys:
        ada:
          - github:ada
          - https://example.org/keys
k3s-agent:
  enabled: true
  args:
    - --node-label=a=b
  env:
    K3S_URL: https://10.0.0.1:6443
    K3S_TOKEN: t
`);
});

test('a password is hashed by default, and one who has none is locked', () => {
  const hashed = cloudConfigOf(readAnswers({ user: { name: 'ada', password: 'pass' } }), { hasAdmin: true });
  expect(hashed).toMatch(/passwd: \$6\$[./\w]{16}\$[./\w]{86}\n/);
  const locked = cloudConfigOf(readAnswers({ user: { name: 'ada', sshKeys: [key] } }), { hasAdmin: true });
  expect(locked).toContain('lock_passwd: true');
});

test.each<[string, unknown, string]>([
  ['no object', 'x', ''],
  ['an unknown field', { disc: 'auto' }, ''],
  ['a disk that is none', { disk: '/etc/passwd' }, 'disk'],
  ['a script as disk', { disk: 'script:///bin/sh' }, 'disk'],
  ['a disk with arguments', { disk: '/dev/sda --force' }, 'disk'],
  ['a disk with a line break', { disk: '/dev/sda\n/dev/sdb' }, 'disk'],
  ['a name with a capital', { user: { name: 'Ada', password: 'x' } }, 'user.name'],
  ['root', { user: { name: 'root', password: 'x' } }, 'user.name'],
  ['a name that breaks out of YAML', { user: { name: 'a: {b', password: 'x' } }, 'user.name'],
  ['a password of two lines', { user: { name: 'ada', password: 'a\nb' } }, 'user.password'],
  ['a user who cannot log in', { user: { name: 'ada' } }, 'user.password'],
  ['a key that is none', { user: { name: 'ada', sshKeys: [key, 'AAAA'] } }, 'user.sshKeys.1'],
  ['a key with options', { user: { name: 'ada', sshKeys: [`command="x" ${key}`] } }, 'user.sshKeys.0'],
  ['too many keys', { user: { name: 'ada', sshKeys: Array(65).fill(key) } }, 'user.sshKeys'],
  ['a host name with a blank', { hostname: 'a b' }, 'hostname'],
  ['a host name that ends in a dash', { hostname: 'a-' }, 'hostname'],
  ['another role', { kubernetes: { role: 'k8s' } }, 'kubernetes.role'],
  ['an agent without a server', { kubernetes: { role: 'k3s-agent', token: 't' } }, 'kubernetes.url'],
  ['an agent without a token', { kubernetes: { role: 'k3s-agent', url: 'https://a' } }, 'kubernetes.token'],
  ['a server that is no URL', { kubernetes: { role: 'k3s', url: 'ftp://a' } }, 'kubernetes.url'],
  ['another end', { after: 'explode' }, 'after'],
  ['a huge cloud-config', { cloudConfig: 'x'.repeat(600_000) }, 'cloudConfig'],
])('%s is refused', (_, given, path) => {
  const refuse = () => readAnswers(given);
  expect(refuse).toThrow(expect.objectContaining({ code: 'ANSWERS_INVALID', exit: 'invalidInput' }));
  try {
    refuse();
  } catch (error) {
    expect(error).toMatchObject({
      details: { problems: expect.arrayContaining([expect.objectContaining({ path })]) },
    });
  }
});
