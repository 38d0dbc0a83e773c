import { expect, test } from 'bun:test';
import { bootConfig, imageCmdline } from './boot-config.ts';

const verity = {
  rootHash: 'a'.repeat(64),
  salt: '',
  algorithm: 'sha256',
  blockSize: 4096,
  dataBlocks: 5,
  hashStartBlock: 6,
} as const;

test('the root comes first, an empty salt is a hyphen', () => {
  const line = imageCmdline(verity, 'erofs', ['console=tty1', 'quiet']);
  expect(line).toBe(`kairos.verity=${'a'.repeat(64)}:-:5:6 kairos.rootfstype=erofs console=tty1 quiet`);
  expect(bootConfig(line)).toBe(`set kairos_cmdline="${line}"\n`);
});

test('what the kernel would cut is refused', () => {
  expect(() => imageCmdline(verity, 'erofs', ['x'.repeat(1500)])).toThrow('characters; 1500 leave room');
});
