import { afterEach, beforeEach, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { directoryHost } from '@kairos/host/directory';
import { bootFormOnNode } from './boot-form-on-node.ts';
import { openImageSource } from './image-source.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'on-node-'));
  mkdirSync(join(folder, 'root/etc'), { recursive: true });
  writeFileSync(join(folder, 'root/etc/os-release'), 'ID=test');
  writeFileSync(join(folder, 'root.img'), Buffer.alloc(4096, 1));
  symlinkSync('root', join(folder, 'link'));
  symlinkSync('root.img', join(folder, 'link.img'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const make = async (path: string, place: string) => {
  const host = directoryHost(folder, {
    run: ([tool]) => (tool === 'du' ? { stdout: '1000\t.' } : undefined),
  });
  const root = { kind: 'path', path } as const;
  const report = () => undefined;
  const request = { shown: 'it', architecture: 'amd64', root, report, places: [place] } as const;
  const { code, message } = await bootFormOnNode(host, request).catch((error) => error);
  return { code, message, commands: host.commands.map((argv) => argv.join(' ').replaceAll(folder, '')) };
};

test.each(['/root', '/link'])(
  'the size of a root and its place do not depend on a link to it: %s',
  async (path) => {
    const { commands } = await make(path, '/work');
    expect(commands.slice(0, 2)).toEqual([
      'du --summarize --bytes --one-file-system /root',
      expect.stringContaining(' /root/. '),
    ]);
  },
);

test.each([
  ['/root', '/root'],
  ['/root', '/root/work'],
  ['/root', '/root/work/deep'],
  ['/link', '/root/work'],
  ['/root', '/link/work'],
])('the root %s is not copied into itself: %s', async (path, place) => {
  expect(await make(path, place)).toMatchObject({
    code: 'NO_SPACE',
    message:
      'it has no boot form, and to make it here needs 64.0 MiB: every place for it is in the root itself',
  });
});

test.each(['file:/root.img', 'file:/link.img'])('%s is a file with a file system', async (uri) => {
  // Where the tools are missing in this host, the file was taken for one.
  await expect(openImageSource(directoryHost(folder), uri)).rejects.toMatchObject({ code: 'TOOL_MISSING' });
});
