import { expect, test } from 'bun:test';
import { parseDocument } from '@kairos/config/document';
import { KairosError } from '@kairos/facts/errors';
import { type CollectedConfig, isMapping, mergeValues } from './collect-config.ts';
import { type CheckOptions, checkInstallConfig } from './install-config.ts';

function collected(...texts: string[]): CollectedConfig {
  const documents = texts.map((text, index) => parseDocument(text, `${index + 1}.yaml`));
  const config = documents.reduce<unknown>((sum, document) => mergeValues(sum, document.value ?? {}, ''), {});
  return { config: isMapping(config) ? config : {}, documents, warnings: [] };
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
      'install: {device: auto, grub_options: {extra_cmdline: quiet, timeout: 3}}\nstages: {boot: [{commands: [ls]}]}\n',
    ),
  );
  expect(config.install).toEqual({
    auto: true,
    device: 'auto',
    partitions: { oem: { size: 128, fs: 'ext4' } },
    grub_options: { extra_cmdline: 'quiet', timeout: 3 },
  });
  expect(warnings).toEqual([]);
});

test('all problems are told with their places, covered ones too', () => {
  const error = errorOf([
    `install:\n  auto: "yes"\n  device: vda\n${admin}`,
    'install:\n  auto: true\n  extra-partitions:\n  - size: -1\n',
  ]);
  expect(error.code).toBe('CONFIG_INVALID');
  expect(error.exitCode).toBe(10);
  expect(error.position).toEqual({ file: '1.yaml', line: 2, column: 9 });
  expect(error.message.split('\n')).toEqual([
    '1.yaml:2:9: install.auto: expected boolean, received string',
    '1.yaml:3:11: install.device: expected auto, a path below /dev or script://PATH',
    '2.yaml:4:5: install.extra-partitions[0].name: expected string, received undefined',
    '2.yaml:4:11: install.extra-partitions[0].size: Too small: expected number to be >=0',
  ]);
});

test('an unknown key is a warning, and an error where it is asked for', () => {
  const text = `install:\n  devcie: auto\n  zzzzzzzzzz: 1\n${admin}`;
  expect(checkInstallConfig(collected(text)).warnings).toEqual([
    '1.yaml:2:3: install.devcie is not a known key; did you mean device?',
    '1.yaml:3:3: install.zzzzzzzzzz is not a known key',
  ]);
  expect(errorOf([text], { strict: true }).code).toBe('CONFIG_INVALID');
});

test('reboot and poweroff exclude each other, over files too', () => {
  const error = errorOf([`install:\n  reboot: true\n${admin}`, 'install:\n  poweroff: true\n']);
  expect(error.message).toBe(
    '2.yaml:2:3: install.reboot and install.poweroff are both true\n1.yaml:2:3: install.reboot is here',
  );
});

test.each([
  ['encrypted_partitions: [COS_PERSISTENT]', true],
  ['encrypted_partitions: []', false],
  ['ssh_hardening: true', true],
  ['ssh_hardening: false', false],
  ['bundles: [{targets: [a]}]', true],
])('install.%s is refused: %p', (line, refused) => {
  const check = () => checkInstallConfig(collected(`install:\n  ${line}\n${admin}`));
  if (refused) expect(check).toThrow(expect.objectContaining({ code: 'INSTALL_KEY_UNSUPPORTED' }));
  else expect(check).not.toThrow();
});

test.each([
  [admin, true],
  ['users: [{name: a, groups: "wheel, admin"}]', true],
  ['users: [{name: a, primary_group: admin}]', true],
  ['stages: {initramfs: [{users: {a: {groups: [admin]}}}]}', true],
  ['install: {nousers: true}', true],
  ['users: [{name: admin, groups: [wheel]}]', false],
  ['users: [default]', false],
  ['stages: {initramfs: null}', false],
  ['', false],
])('%j has somebody to log in: %p', (text, allowed) => {
  if (allowed) expect(() => checkInstallConfig(collected(text))).not.toThrow();
  else expect(errorOf([text]).code).toBe('NO_ADMIN_USER');
  expect(() => checkInstallConfig(collected(text), { allowNoUsers: true })).not.toThrow();
});
