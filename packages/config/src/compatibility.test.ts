import { describe, expect, test } from 'bun:test';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { mergeDocuments, readDocument } from './collect.ts';
import { hasErrors, type Problem } from './problem.ts';
import { plainValue, subtree } from './tree.ts';
import { validate } from './validate.ts';

const folder = join(import.meta.dir, '../fixtures');

/** Fragments of the block `install`, as its own tests have them. */
const fragments = ['test-schema-reboot-and-poweroff-both-true.yaml', 'test-schema-install-all-options.yaml'];
/** Fragments of one user. */
const userFragments = ['test-schema-bad-user-name.yaml'];

function wrapped(name: string, text: string): string {
  const body = text.replace(/^#cloud-config\n/, '');
  const lines = body.split('\n').map((line) => (line === '' ? '' : `  ${line}`));
  if (fragments.includes(name)) return `#cloud-config\ninstall:\n${lines.join('\n')}`;
  if (userFragments.includes(name)) return `#cloud-config\nusers:\n-\n${lines.join('\n')}`;
  return text;
}

function read(name: string) {
  const text = wrapped(name, readFileSync(join(folder, name), 'utf8'));
  // Files of an image need no header to be read as stages.
  const found = readDocument(text, name, { headerNeeded: !name.startsWith('kairos-bundled-') });
  const merged = mergeDocuments(found.documents);
  const problems: Problem[] = [
    ...found.problems,
    ...merged.problems,
    ...(found.documents.length > 0 ? validate(merged.tree) : []),
  ];
  const value = (...path: (string | number)[]) => {
    const tree = subtree(merged.tree, path);
    return tree === undefined ? undefined : plainValue(tree);
  };
  return { problems, value };
}
const short = (problems: readonly Problem[]) =>
  problems.map(({ severity, code, position, hint }) => [severity, code, position.line, hint]);

type Told = readonly [severity: string, code: string, line: number, hint: string | undefined];

/** What is wrong with files that are wrong, or that hold a mistake which used to be passed over. */
const findings: Readonly<Record<string, readonly Told[]>> = {
  'docs-boot-assessment-trusted-boot.yaml': [['warning', 'KEY_UNKNOWN', 24, 'did you mean enable?']],
  'docs-bundles-metallb.yaml': [['warning', 'KEY_MISSPELT', 11, 'write enabled']],
  'docs-configuration-extended-syntax.yaml': [['warning', 'KEY_UNKNOWN', 29, 'did you mean sysctl?']],
  'docs-multi-node-p2p-ha-kubevip.yaml': [
    ['error', 'P2P_TOKEN_MISSING', 24, 'Put in the token that the nodes of this network share'],
  ],
  'kairos-bundled-08_grub.yaml': [
    ['warning', 'KEY_UNKNOWN', 82, 'did you mean permissions?'],
    ['warning', 'KEY_UNKNOWN', 82, 'did you mean permissions?'],
    ['warning', 'KEY_UNKNOWN', 82, 'did you mean permissions?'],
  ],
  'test-schema-broken-yaml.yaml': [['error', 'YAML_INVALID', 4, undefined]],
  'test-schema-commands-scalar.yaml': [
    ['error', 'VALUE_INVALID', 6, 'write a list, each item on a line of its own after "- "'],
  ],
  'test-schema-ssh-hardening-without-key.yaml': [
    ['error', 'SSH_HARDENING_WITHOUT_KEY', 3, 'Give a user ssh_authorized_keys, or leave ssh_hardening away'],
  ],
  'test-schema-reboot-and-poweroff-both-true.yaml': [['error', 'REBOOT_AND_POWEROFF', 5, 'Keep one of them']],
  'test-schema-bad-user-name.yaml': [['error', 'VALUE_INVALID', 4, undefined]],
  'test-validate-missing-header.yaml': [
    ['warning', 'HEADER_MISSING', 1, 'Make #cloud-config the first line'],
  ],
};
const placeholders = 'docs-configuration-full-reference.yaml';

describe('cloud-configs of the original project', () => {
  const names = readdirSync(folder).filter((name) => name.endsWith('.yaml'));
  test.each(names.filter((name) => name !== placeholders).sort())('%s', (name) => {
    expect(short(read(name).problems)).toEqual((findings[name] ?? []).map((each) => [...each]));
  });

  test('the reference with its placeholders is refused at each of them, and its keys are all known', () => {
    const { problems } = read(placeholders);
    expect(hasErrors(problems)).toBe(true);
    expect(problems.filter(({ code }) => code.startsWith('KEY_'))).toEqual([]);
    expect(
      problems.filter(({ code }) => code === 'REBOOT_AND_POWEROFF').map(({ position }) => position.line),
    ).toEqual([50, 223, 195]);
  });

  const collected: readonly (readonly [file: string, path: (string | number)[], value: unknown])[] = [
    ['kairos-tests-autoinstall.yaml', ['install', 'auto'], true],
    ['kairos-tests-config_k3s_disabled.yaml', ['k3s', 'enabled'], false],
    ['kairos-examples-single-node.yaml', ['users', 0, 'ssh_authorized_keys'], null],
    ['docs-bundles-metallb.yaml', ['k3s', 'enabled'], true],
    ['docs-multi-disk-no-format.yaml', ['install', 'no-format'], true],
    ['kairos-tests-ssh-hardening-install.yaml', ['install', 'ssh_hardening'], true],
    [
      'docs-partition-encryption-remote-kms.yaml',
      ['kcrypt', 'challenger', 'challenger_server'],
      'http://192.168.68.109:30000',
    ],
  ];
  test.each(collected)('%s has %j', (file, path, value) => {
    expect(read(file).value(...path)).toEqual(value);
  });

  test('the block of a bundle is kept', () => {
    expect(read('docs-bundles-metallb.yaml').value('metallb')).toBeDefined();
  });
});
