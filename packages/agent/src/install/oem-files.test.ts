import { expect, test } from 'bun:test';
import { mergeDocuments } from '@kairos/config/collect';
import { parseDocument } from '@kairos/config/document';
import { parse } from 'yaml';
import type { CollectedConfig, Mapping } from '../collect-config.ts';
import { oemFiles } from './oem-files.ts';

function collected(...texts: string[]): CollectedConfig {
  const documents = texts.map((text, index) => parseDocument(text, `/oem/${index + 1}.yaml`));
  return { ...mergeDocuments(documents), documents, config: {} as Mapping };
}

test('the configuration is one document with its sources, sorted keys and no anchors', () => {
  const files = oemFiles(
    collected('#cloud-config\nusers: [&a {name: x}, *a]\n', '#cloud-config\nhostname: a\n'),
    {},
  );
  expect([...files.keys()]).toEqual(['90_custom.yaml']);
  expect(files.get('90_custom.yaml')).toBe(
    '#cloud-config\n\n# Sources:\n# - /oem/1.yaml\n# - /oem/2.yaml\n\nhostname: a\nusers:\n    - name: x\n    - name: x\n',
  );
});

test('mounts of the user become a stage', () => {
  const files = oemFiles(collected(), { bind_mounts: ['/a', null, '/b'], ephemeral_mounts: [] });
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

test('a link that was followed is not kept: a boot would run its steps again', () => {
  const files = oemFiles(
    collected('#cloud-config\nhostname: far\n', '#cloud-config\nconfig_url: http://h/c\n'),
    {},
  );
  expect(parse(files.get('90_custom.yaml') ?? '')).toEqual({ hostname: 'far' });
});

test('a strict SSH server is a file of its own', () => {
  expect(oemFiles(collected(), { ssh_hardening: false }).has('10_ssh_hardening.yaml')).toBe(false);
  const file = oemFiles(collected(), { ssh_hardening: true }).get('10_ssh_hardening.yaml') ?? '';
  expect(parse(file).stages.initramfs[0].files[0].content).toContain('PermitRootLogin no');
});
