import { expect, test } from 'bun:test';
import { mergeDocuments } from '@kairos/config/collect';
import { parseDocument } from '@kairos/config/document';
import { plainValue } from '@kairos/config/tree';
import { KairosError } from '@kairos/facts/errors';
import type { CollectedConfig, Mapping } from '../collect-config.ts';
import { type CheckOptions, checkInstallConfig } from './config.ts';

function collected(...texts: string[]): CollectedConfig {
  const documents = texts.map((text, index) => parseDocument(text, `${index + 1}.yaml`));
  const { tree, problems } = mergeDocuments(documents);
  return { config: plainValue(tree) as Mapping, tree, documents, problems };
}

function errorOf(texts: string[], options?: CheckOptions): KairosError {
  try {
    checkInstallConfig(collected(...texts), options);
  } catch (error) {
    if (error instanceof KairosError) return error;
    throw error;
  }
  throw new Error('expected a KairosError');
}

const admin = 'users:\n- name: kairos\n  groups: [admin]\n';

test('a whole configuration is taken over', () => {
  const { config, warnings } = checkInstallConfig(
    collected(
      `install:\n  auto: true\n  device: /dev/vda\n  partitions: {oem: {size: 128, fs: ext4}}\n${admin}`,
      'install: {device: auto, grub_options: {extra_cmdline: quiet}}\nstages: {boot: [{commands: [ls]}]}\n',
    ),
  );
  expect(config.install).toEqual({
    auto: true,
    device: 'auto',
    partitions: { oem: { size: 128, fs: 'ext4' } },
    grub_options: { extra_cmdline: 'quiet' },
  });
  expect(warnings).toEqual([]);
});

test('all problems are told with their places', () => {
  const error = errorOf([`install:\n  auto: "yes"\n  device: vda\n${admin}`]);
  expect([error.code, error.exitCode]).toEqual(['CONFIG_INVALID', 10]);
  expect(error.position).toEqual({ file: '1.yaml', line: 2, column: 9 });
  expect(error.message).toContain('1.yaml:2:9: error: install.auto: expected true or false, found a text');
  expect(error.message).toContain('1.yaml:3:11: error: install.device: expected auto, a path below /dev');
});

test('an unknown key is a warning, and an error where it is asked for', () => {
  const text = `install:\n  devcie: auto\n${admin}`;
  expect(checkInstallConfig(collected(text)).warnings).toEqual([
    '1.yaml:2:3: unknown key devcie in install; did you mean device?',
  ]);
  expect(errorOf([text], { strict: true }).code).toBe('CONFIG_INVALID');
});

test('reboot and poweroff exclude each other, over files too', () => {
  const error = errorOf([`install:\n  reboot: true\n${admin}`, 'install:\n  poweroff: true\n']);
  expect(error.message).toContain('install.reboot and install.poweroff are both true');
  expect(error.message).toContain('1.yaml:2:11');
});

test.each([
  ['encrypted_partitions: [COS_PERSISTENT]', 3],
  ['encrypted_partitions: []', undefined],
  ['ssh_hardening: false', undefined],
  ['partitions: {state: {fs: xfs}}', 24],
  ['partitions: {efi: {fs: vfat}}', undefined],
  ['extra-partitions: [{name: a, flags: [esp]}]', 32],
  ['recovery-system: {source: "oci:x"}', 3],
  ['recovery-system: {size: 3000}', undefined],
])('install.%s is refused at column %p', (line, column) => {
  const texts = [`install:\n  ${line}\n${admin}`];
  if (column === undefined) {
    expect(() => checkInstallConfig(collected(...texts))).not.toThrow();
    return;
  }
  const error = errorOf(texts);
  expect(error.message).toContain('not supported');
  expect(error.position).toEqual({ file: '1.yaml', line: 2, column });
});

test('ssh_hardening is refused where nobody has a key', () => {
  const error = errorOf([`install:\n  ssh_hardening: true\n${admin}`]);
  expect(error.message).toContain(
    '1.yaml:2:18: error: install.ssh_hardening allows keys only, and no user has one',
  );
  const user = 'users: [{name: a, groups: [admin], ssh_authorized_keys: [ssh-ed25519 A]}]\n';
  expect(() => checkInstallConfig(collected(`install:\n  ssh_hardening: true\n${user}`))).not.toThrow();
});

test('config_url is refused unless it was followed', () => {
  const text = `config_url: http://example\n${admin}`;
  expect(errorOf([text]).message).toContain('1.yaml:1:1: error: config_url is not followed here');
  expect(() => checkInstallConfig(collected(text), { remote: true })).not.toThrow();
});

test.each([
  [admin, true],
  ['users: [{name: a, groups: "users, admin"}]\n', true],
  ['users: [{name: a, primary_group: admin}]', true],
  ['stages: {initramfs: [{users: {a: {groups: [admin]}}}]}', true],
  ['install: {nousers: true}', true],
  ['users: [{name: admin, groups: [wheel]}]', false],
  ['stages: {initramfs: null}', false],
  ['', false],
])('%j has somebody to log in: %p', (text, allowed) => {
  if (allowed) expect(() => checkInstallConfig(collected(text))).not.toThrow();
  else expect(errorOf([text]).code).toBe('NO_ADMIN_USER');
  expect(() => checkInstallConfig(collected(text), { allowNoUsers: true })).not.toThrow();
});
