import { afterEach, beforeEach, expect, test } from 'bun:test';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { applyLayer, archivePolicy, layerPolicy } from './apply-layer.ts';
import { type TarWriteEntry, writeTar } from './tar-write.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'escape-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** What an archive must not change: every path outside of its root with all that is known of it. */
function outside(): string[] {
  const found: string[] = [];
  const walk = (path: string) => {
    const { mode, uid, gid, size, mtimeMs, nlink } = lstatSync(path);
    const isDirectory = (mode & 0o170000) === 0o040000;
    found.push([path, mode, uid, gid, isDirectory ? '' : size, mtimeMs, nlink].join(' '));
    if (isDirectory) for (const name of readdirSync(path).sort()) walk(join(path, name));
  };
  walk(join(folder, 'outside'));
  return found;
}

function prepare(): void {
  rmSync(join(folder, 'root'), { recursive: true, force: true });
  rmSync(join(folder, 'outside'), { recursive: true, force: true });
  mkdirSync(join(folder, 'root'));
  for (const path of ['outside/a/a', 'outside/a/b', 'outside/b/a', 'outside/b/b']) {
    mkdirSync(join(folder, path), { recursive: true });
    writeFileSync(join(folder, path, 'c'), 'untouched');
  }
  for (const path of ['outside/a', 'outside/b', 'outside']) {
    chmodSync(join(folder, path), 0o755);
    utimesSync(join(folder, path), 5, 5);
  }
}

const owner = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
const common = { mode: 0o777, modified: 1000, ...owner };

async function apply(entries: readonly TarWriteEntry[], policy: typeof layerPolicy | typeof archivePolicy) {
  // What is refused is refused; what counts is what lies outside afterwards.
  await applyLayer(writeTar(entries), join(folder, 'root'), { name: 'a.tar', ...policy }).catch(
    () => undefined,
  );
}

test.each([
  ['a layer', layerPolicy],
  ['an archive', archivePolicy],
])('%s: a link in the place of a directory above one that has an entry', async (_, policy) => {
  prepare();
  const before = outside();
  await apply(
    [
      { path: 'a/b', type: 'directory', ...common },
      { path: 'a', type: 'symlink', linkName: join(folder, 'outside'), ...common },
    ],
    policy,
  );
  expect(outside()).toEqual(before);
});

test('a root that is named by a link gets its modes', async () => {
  mkdirSync(join(folder, 'real'));
  symlinkSync('real', join(folder, 'root'));
  await apply([{ path: 'a', type: 'directory', ...common }], layerPolicy);
  expect(lstatSync(join(folder, 'real/a')).mode & 0o7777).toBe(0o777);
});

const path = fc.array(fc.constantFrom('a', 'b', 'c', '.wh.a', '.wh.b', '.wh..wh..opq'), {
  minLength: 1,
  maxLength: 3,
});
const entry = fc.record({
  path: path.map((parts) => parts.join('/')),
  type: fc.constantFrom('file', 'directory', 'symlink', 'hardlink', 'fifo'),
  link: fc.oneof(
    fc.constantFrom('', '/a', '/b', '/a/b').map((rest) => ({ outside: true, rest })),
    path.map((parts) => ({ outside: false, rest: parts.join('/') })),
    path.map((parts) => ({ outside: false, rest: `../${parts.join('/')}` })),
  ),
});

test.each([
  ['layers', layerPolicy],
  ['archives', archivePolicy],
])('no %s of any entries change what lies outside', async (_, policy) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(entry, { maxLength: 8 }), { minLength: 1, maxLength: 2 }),
      async (layers) => {
        prepare();
        const before = outside();
        for (const entries of layers) {
          await apply(
            entries.map(({ path, type, link }) => ({
              ...{ path, type, ...common },
              ...(type === 'file' ? { size: 1, content: Buffer.from('x') } : {}),
              ...(type === 'symlink' || type === 'hardlink'
                ? { linkName: link.outside ? join(folder, `outside${link.rest}`) : link.rest }
                : {}),
            })),
            policy,
          );
        }
        expect(outside()).toEqual(before);
      },
    ),
    { numRuns: 400 },
  );
});
