import { expect, test } from 'bun:test';
import { checkCloudConfig, diskGrubOptions } from './cloud-config.ts';

test.each(['#cloud-config\nusers: []\n', '', '#cloud-config\n', 'unknown_key: 1\n'])(
  '%j is taken',
  (text) => {
    checkCloudConfig(text, 'my.yaml');
  },
);

test.each([
  ['#cloud-config\na: [1\n', 'YAML_INVALID', 3],
  ['# a list\n- a\n', 'CLOUD_CONFIG_NOT_A_MAPPING', 2],
  ['\nhello\n', 'CLOUD_CONFIG_NOT_A_MAPPING', 2],
])('%j is refused with its position', (text, code, line) => {
  expect(() => checkCloudConfig(text, 'my.yaml')).toThrow(
    expect.objectContaining({
      code,
      exit: 'invalidInput',
      position: expect.objectContaining({ file: 'my.yaml', line }),
      message: expect.stringContaining(`my.yaml:${line}:`),
    }),
  );
});

test.each([
  ['', {}],
  ['#cloud-config\nhostname: x\n', {}],
  ['grub_options: {a: 1, b: two}\ninstall: {grub_options: {b: three}}\n', { a: '1', b: 'three' }],
  // An older spelling; a template of the node is left to its first start.
  ['install: {grub-options: {a: 1}}\ngrub_options: {b: "{{ .x }}"}\n', { a: '1' }],
])('%j gives variables of GRUB', (text, options) => {
  expect(diskGrubOptions(text, 'my.yaml')).toEqual(options);
});

test('a template that nothing would render is refused', () => {
  expect(() => diskGrubOptions('install:\n  grub_options:\n    a: "{{ .x }}"\n', 'my.yaml')).toThrow(
    expect.objectContaining({
      ...{ code: 'TEMPLATE_NOT_RENDERED', exit: 'invalidInput' },
      message: expect.stringContaining('my.yaml:3:'),
    }),
  );
});

test.each([
  ['grub_options: hello\n', 'my.yaml:1:15: grub_options: '],
  [
    'install:\n  grub_options: { extra_cmdline: [a, b] }\n',
    'my.yaml:2:34: install.grub_options.extra_cmdline: ',
  ],
])('%j is refused with its position', (text, message) => {
  expect(() => diskGrubOptions(text, 'my.yaml')).toThrow(
    expect.objectContaining({ code: 'VALUE_INVALID', message: expect.stringContaining(message) }),
  );
});
