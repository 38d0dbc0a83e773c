import { afterEach, beforeEach, expect, test } from 'bun:test';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { carryOutMerge, planMerge } from './merge-tree.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'merge-'));
  mkdirSync(join(folder, 'tree'));
  mkdirSync(join(folder, 'target'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const at = (path: string) => join(folder, path);
function put(path: string, content = path, mode = 0o644): void {
  mkdirSync(dirname(at(path)), { recursive: true });
  writeFileSync(at(path), content);
  chmodSync(at(path), mode);
}
function merge() {
  const entries = planMerge(at('tree'), at('target'));
  carryOutMerge(at('tree'), at('target'), entries);
  return entries.map(({ kind, place }) => `${kind} ${place}`);
}

test('files and links replace files and links; directories that are there stay as they are', () => {
  put('target/usr/local/bin/old', 'old');
  put('target/usr/local/bin/tool', 'old', 0o600);
  chmodSync(at('target/usr/local'), 0o750);
  put('tree/usr/local/bin/tool', 'new', 0o4755);
  put('tree/opt/new/deep/file', 'deep', 0o640);
  symlinkSync('tool', at('tree/usr/local/bin/alias'));
  chmodSync(at('tree/usr/local'), 0o777);
  chmodSync(at('tree/opt/new'), 0o711);
  expect(merge()).toEqual([
    'directory opt',
    'directory opt/new',
    'directory opt/new/deep',
    'file opt/new/deep/file',
    'symlink usr/local/bin/alias',
    'file usr/local/bin/tool',
  ]);
  expect(readFileSync(at('target/usr/local/bin/tool'), 'utf8')).toBe('new');
  expect(statSync(at('target/usr/local/bin/tool')).mode & 0o7777).toBe(0o4755);
  expect(statSync(at('target/usr/local')).mode & 0o777).toBe(0o750);
  expect(statSync(at('target/opt/new')).mode & 0o777).toBe(0o711);
  expect(readlinkSync(at('target/usr/local/bin/alias'))).toBe('tool');
  expect(readdirSync(at('target/usr/local/bin')).sort()).toEqual(['alias', 'old', 'tool']);
  expect(merge()).toHaveLength(3);
});

test("the target's links to directories are followed inside of it", () => {
  mkdirSync(at('target/usr/bin'), { recursive: true });
  symlinkSync('/usr/bin', at('target/bin'));
  put('tree/bin/tool');
  put('tree/bin/sub/x');
  expect(merge()).toEqual(['directory usr/bin/sub', 'file usr/bin/sub/x', 'file usr/bin/tool']);
  expect(existsSync(at('target/usr/bin/sub/x'))).toBe(true);
  expect(lstatSync(at('target/bin')).isSymbolicLink()).toBe(true);
});

test("a tree's own links are only laid down: nothing goes through them", () => {
  mkdirSync(at('outside'));
  symlinkSync(at('outside'), at('tree/escape'));
  symlinkSync('../outside', at('target/linked'));
  put('target/file', 'before');
  symlinkSync(at('outside/nothing'), at('target/dangling'));
  put('tree/dangling', 'replaced');
  expect(merge()).toEqual(['file dangling', 'symlink escape']);
  expect(readFileSync(at('target/dangling'), 'utf8')).toBe('replaced');
  expect(readdirSync(at('outside'))).toEqual([]);
  put('tree/linked/x');
  expect(() => merge()).toThrow(expect.objectContaining({ code: 'TAR_THROUGH_LINK' }));
  expect(readdirSync(at('outside'))).toEqual([]);
});

test.each<[string, () => void, string]>([
  [
    'a file where a directory is',
    () => {
      put('target/usr/local/keep');
      put('tree/usr/local');
    },
    'it is a file, and there is a directory',
  ],
  [
    'a link where a directory is',
    () => {
      put('target/usr/local/keep');
      mkdirSync(at('tree/usr'));
      symlinkSync('x', at('tree/usr/local'));
    },
    'it is a symlink, and there is a directory',
  ],
  [
    'a directory where a file is',
    () => {
      put('target/etc');
      put('tree/etc/x');
    },
    'it is a directory, and there is something else',
  ],
  ['a pipe', () => void Bun.spawnSync(['mkfifo', at('tree/pipe')]), 'a device, a socket or a pipe'],
])('%s is refused before anything is written', (_, prepare, reason) => {
  prepare();
  put('tree/a-first', 'x');
  expect(() => merge()).toThrow(reason);
  expect(existsSync(at('target/a-first'))).toBe(false);
});
