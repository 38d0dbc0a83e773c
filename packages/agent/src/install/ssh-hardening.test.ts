import { expect, test } from 'bun:test';
import { readDocument } from '@kairos/config/collect';
import { parse } from 'yaml';
import { sshHardeningFile } from './ssh-hardening.ts';

test('the file is a valid cloud-config that writes the settings for root only', () => {
  const text = sshHardeningFile();
  expect(readDocument(text, 'x').problems).toEqual([]);
  const [step] = parse(text).stages.initramfs;
  expect(step.files[0]).toMatchObject({
    path: '/etc/ssh/sshd_config.d/10-kairos-hardening.conf',
    permissions: 0o600,
    content: expect.stringContaining('PasswordAuthentication no\n'),
  });
});
