import { afterEach, beforeEach, expect, test } from 'bun:test';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RootTree } from './root-tree.ts';

let base: string;
let tree: RootTree;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'root-tree-'));
  mkdirSync(join(base, 'root/usr/lib'), { recursive: true });
  mkdirSync(join(base, 'outside'));
  writeFileSync(join(base, 'outside/secret'), 'of the machine');
  tree = new RootTree(join(base, 'root'));
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

test('absolute and climbing links stay inside', () => {
  symlinkSync('usr/lib', join(tree.root, 'lib'));
  symlinkSync(join(base, 'outside'), join(tree.root, 'absolute'));
  symlinkSync('../../../../outside', join(tree.root, 'usr/climbing'));
  expect(tree.resolve('/lib/x')).toBe('/usr/lib/x');
  expect(tree.readText('/absolute/secret')).toBeUndefined();
  expect(tree.readText('/usr/climbing/secret')).toBeUndefined();
  tree.write('/absolute/written', 'inside');
  expect(existsSync(join(base, 'outside/written'))).toBe(false);
  expect(tree.readText('/absolute/written')).toBe('inside');
});

test('a link at the end of a path is replaced, not followed', () => {
  symlinkSync(join(base, 'outside/secret'), join(tree.root, 'file'));
  tree.write('/file', 'new');
  expect(readFileSync(join(base, 'outside/secret'), 'utf8')).toBe('of the machine');
  expect(lstatSync(join(tree.root, 'file')).isFile()).toBe(true);
});

test('removing a link leaves its target', () => {
  symlinkSync(join(base, 'outside'), join(tree.root, 'link'));
  tree.remove('/link');
  expect(existsSync(join(base, 'outside/secret'))).toBe(true);
  expect(tree.hasEntry('/link')).toBe(false);
});

test('a loop of links is an error', () => {
  symlinkSync('b', join(tree.root, 'a'));
  symlinkSync('a', join(tree.root, 'b'));
  expect(() => tree.resolve('/a')).toThrow('Too many symbolic links');
});

test('remembers what was written, with the directories made for it', () => {
  tree.write('/usr/lib/kairos/x', '1', { mode: 0o755 });
  tree.symlink('x', '/usr/lib/kairos/y');
  expect([...tree.written].sort()).toEqual(['/usr/lib/kairos', '/usr/lib/kairos/x', '/usr/lib/kairos/y']);
  expect(tree.isExecutable('/usr/lib/kairos/y')).toBe(true);
  expect(tree.linkTarget('/usr/lib/kairos/y')).toBe('x');
  tree.remove('/usr/lib/kairos/y');
  expect(tree.written.has('/usr/lib/kairos/y')).toBe(false);
});

test('a directory is not overwritten by a file', () => {
  expect(() => tree.write('/usr/lib', '')).toThrow('a directory is there');
});

test('a path that goes on below a file leads to nothing', () => {
  writeFileSync(join(tree.root, 'file'), '');
  expect(tree.status('/file/below/it')).toBeUndefined();
  expect(tree.isFile('/file/below')).toBe(false);
});
