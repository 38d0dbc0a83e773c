import { expect, test } from 'bun:test';
import { parseDocument } from '@kairos/config/document';
import { parse } from 'yaml';
import { oemFiles } from './oem-files.ts';

const document = parseDocument('#cloud-config\nusers: []\n', '/oem/a.yaml');
const shared = { name: 'x' };

test('the configuration is one document with its sources, sorted keys and no anchors', () => {
  const files = oemFiles(
    { config: { users: [shared, shared], hostname: 'a' }, documents: [document], warnings: [] },
    {},
  );
  expect([...files.keys()]).toEqual(['90_custom.yaml']);
  expect(files.get('90_custom.yaml')).toBe(
    '#cloud-config\n\n# Sources:\n# - /oem/a.yaml\n\nhostname: a\nusers:\n    - name: x\n    - name: x\n',
  );
});

test('without sources there is no comment about them', () => {
  const files = oemFiles({ config: { a: 1 }, documents: [], warnings: [] }, {});
  expect(files.get('90_custom.yaml')).toBe('#cloud-config\n\na: 1\n');
});

test('mounts of the user become a stage', () => {
  const files = oemFiles(
    { config: {}, documents: [], warnings: [] },
    { bind_mounts: ['/a', '/b'], ephemeral_mounts: [] },
  );
  expect(parse(files.get('10_user_custom_mounts.yaml') ?? '')).toEqual({
    stages: {
      rootfs: [
        {
          name: 'Mounts of the user',
          environment_file: '/run/cos/custom-layout.env',
          environment: { CUSTOM_BIND_MOUNTS: '/a /b' },
        },
      ],
    },
  });
});
