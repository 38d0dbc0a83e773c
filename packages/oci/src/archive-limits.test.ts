import { afterEach, beforeEach, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { applyLayer, layerPolicy } from './apply-layer.ts';
import { indexArchive } from './archive-index.ts';
import { endMark, header, pax, read } from './fixture-tar.ts';
import { failure } from './test-content.ts';

/* What an archive of a few kilobytes, which gzip makes of any number of zeros, could have a reader keep in memory. */

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'archive-limits-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const attribute = (name: string) => ({ [`SCHILY.xattr.user.${name}`]: 'x'.repeat(900_000) });

test.each(['x', 'g'])('extended attributes in any number of headers (%s)', async (flag) => {
  expect(
    await failure(read(pax(attribute('a'), flag), pax(attribute('b'), flag), header({}), endMark)),
  ).toEqual([
    'TAR_TOO_LARGE',
    'a.tar, byte 900608: the extended attributes of an entry have more than 1048576 bytes',
  ]);
});

test('extended attributes of directories', async () => {
  const large = pax(attribute('a'));
  async function* stream() {
    for (let index = 0; index < 80; index++) {
      yield Buffer.concat([large, header({ path: `d${index}`, type: 'directory', mode: 0o755 })]);
    }
    yield endMark;
  }
  const root = join(folder, 'root');
  mkdirSync(root);
  expect(await failure(applyLayer(stream(), root, { name: 'a.tar', ...layerPolicy }))).toEqual([
    'TAR_TOO_LARGE',
    'a.tar: the extended attributes of its directories have more than 67108864 bytes',
  ]);
});

test('links in an archive of an image', async () => {
  const path = join(folder, 'a.tar');
  const links = Array.from({ length: 100_001 }, (_, index) =>
    header({ path: `l${index}`, type: 'symlink', linkName: 'x' }),
  );
  writeFileSync(path, Buffer.concat([...links, endMark]));
  expect(await failure(indexArchive(path, 'a.tar'))).toEqual([
    'TAR_TOO_LARGE',
    'a.tar: it has more than 100000 files',
  ]);
});
