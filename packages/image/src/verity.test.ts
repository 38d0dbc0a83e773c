import { expect, test } from 'bun:test';
import { directoryHost } from '@kairos/host/directory';
import { appendVerity, rootHashOf } from './verity.ts';

const hash = 'ab'.repeat(32);

test('the tree begins one block behind the data', async () => {
  const host = directoryHost('/nowhere', {
    run: () => ({ stdout: `VERITY header information\nUUID:  x\nRoot hash:      \t${hash}\n` }),
  });
  expect(await appendVerity(host, '/root.img', 5 * 4096, { salt: '00ff', uuid: 'u' })).toEqual({
    rootHash: hash,
    salt: '00ff',
    algorithm: 'sha256',
    blockSize: 4096,
    dataBlocks: 5,
    hashStartBlock: 6,
  });
  expect(host.commands[0]).toContain('--hash-offset=20480');
  expect(host.commands[0]).toContain('--data-blocks=5');
});

test.each([0, 4095, 4097])('%d bytes are no whole blocks', async (size) => {
  await expect(appendVerity(directoryHost('/nowhere'), '/x', size, { salt: '', uuid: '' })).rejects.toThrow(
    `${size} bytes`,
  );
});

test('output without a root hash is an error', () => {
  expect(() => rootHashOf('Root hash: abc')).toThrow('no root hash');
});
