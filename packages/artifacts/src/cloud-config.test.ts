import { expect, test } from 'bun:test';
import { checkCloudConfig } from './cloud-config.ts';

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
