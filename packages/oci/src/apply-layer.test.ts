import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
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
import { join } from 'node:path';
import { type ApplyOptions, applyLayer, archivePolicy, layerPolicy } from './apply-layer.ts';
import { type TarWriteEntry, writeTar } from './tar-write.ts';
import { failure } from './test-content.ts';

const root = process.geteuid?.() === 0;
const owner = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
let folder: string;
let target: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'apply-'));
  target = join(folder, 'root');
  mkdirSync(target);
  writeFileSync(join(folder, 'outside'), 'untouched');
});
afterEach(() => {
  if (existsSync(join(target, 'a'))) chmodSync(join(target, 'a'), 0o700);
  rmSync(folder, { recursive: true, force: true });
});

type Entry = Partial<TarWriteEntry> & { readonly path: string };
const file = (path: string, content = '', more: Partial<TarWriteEntry> = {}): Entry => ({
  path,
  type: 'file',
  size: Buffer.byteLength(content),
  content: Buffer.from(content),
  ...more,
});
const directory = (path: string, more: Partial<TarWriteEntry> = {}): Entry => ({
  path,
  type: 'directory',
  mode: 0o755,
  ...more,
});
const symlink = (path: string, linkName: string): Entry => ({ path, type: 'symlink', linkName });
const hardlink = (path: string, linkName: string): Entry => ({ path, type: 'hardlink', linkName });

function apply(entries: readonly Entry[], options: Partial<ApplyOptions> = {}) {
  const archive = writeTar(
    entries.map((entry) => ({ type: 'file', mode: 0o644, modified: 1000, ...owner, ...entry })),
  );
  return applyLayer(archive, target, { name: 'a.tar', ...layerPolicy, ...options });
}

/** Every path below the target with its content, link target or `/`. */
function tree(at = target, prefix = ''): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of readdirSync(at).sort()) {
    const path = join(at, name);
    const status = lstatSync(path);
    if (status.isSymbolicLink()) found[prefix + name] = `-> ${readlinkSync(path)}`;
    else if (status.isDirectory())
      Object.assign(found, { [`${prefix + name}/`]: '' }, tree(path, `${prefix + name}/`));
    else found[prefix + name] = readFileSync(path, 'utf8');
  }
  return found;
}

test('files, directories and links with their modes and times', async () => {
  const result = await apply([
    directory('usr', { mode: 0o1777, modified: 50 }),
    file('./usr/bin/tool', 'code', { mode: 0o4755, modified: 60 }),
    hardlink('usr/bin/same', 'usr/bin/tool'),
    symlink('bin', '/usr/bin'),
    { path: 'pipe', type: 'fifo' },
  ]);
  expect(result).toEqual({ entries: 5, bytes: 4, findings: [] });
  expect(lstatSync(join(target, 'pipe')).isFIFO()).toBe(true);
  rmSync(join(target, 'pipe'));
  expect(tree()).toEqual({
    bin: '-> /usr/bin',
    'usr/': '',
    'usr/bin/': '',
    'usr/bin/same': 'code',
    'usr/bin/tool': 'code',
  });
  const status = (path: string) => lstatSync(join(target, path));
  expect([status('usr').mode & 0o7777, status('usr').mtimeMs]).toEqual([0o1777, 50_000]);
  expect([status('usr/bin/tool').mode & 0o7777, status('usr/bin/tool').mtimeMs]).toEqual([0o4755, 60_000]);
  expect(status('usr/bin/tool').ino).toBe(status('usr/bin/same').ino);
  // No entry tells of usr/bin.
  expect(status('usr/bin').mtimeMs).toBe(0);
  expect(status('bin').mtimeMs).toBe(1_000_000);
});

test('directories that cannot be written to get their entries', async () => {
  await apply([directory('a', { mode: 0o500 }), file('a/b', 'x')]);
  expect([statSync(join(target, 'a')).mode & 0o777, readFileSync(join(target, 'a/b'), 'utf8')]).toEqual([
    0o500,
    'x',
  ]);
  await apply([file('a/c', 'y')]);
  expect([statSync(join(target, 'a')).mode & 0o777, readFileSync(join(target, 'a/c'), 'utf8')]).toEqual([
    0o500,
    'y',
  ]);
});

test('a later layer replaces what is there and leaves times of directories alone', async () => {
  await apply([
    directory('d', { modified: 70 }),
    file('d/a', 'old'),
    symlink('l', 'd'),
    directory('x'),
    file('x/y', 'gone'),
  ]);
  await apply([file('d/a', 'new'), directory('l'), file('x', 'now a file')]);
  expect(tree()).toEqual({ 'd/': '', 'd/a': 'new', 'l/': '', x: 'now a file' });
  expect(statSync(join(target, 'd')).mtimeMs).toBe(70_000);
});

test('absolute names of a layer begin at the root', async () => {
  await apply([directory('/'), file('/a/b', 'b'), hardlink('/c', '/a/b'), file('/./d//e/', 'e')]);
  expect(tree()).toEqual({ 'a/': '', 'a/b': 'b', c: 'b', 'd/': '', 'd/e': 'e' });
});

test('replacing a hard link leaves its other names alone', async () => {
  await apply([file('a', 'one'), hardlink('b', 'a')]);
  await apply([file('b', 'two')]);
  expect(tree()).toEqual({ a: 'one', b: 'two' });
});

describe('whiteouts', () => {
  const base = [directory('d'), file('d/a', 'a'), directory('d/sub'), file('d/sub/b', 'b'), file('e', 'e')];
  test.each<[string, Entry[], Record<string, string>]>([
    ['hides a file', [file('d/.wh.a')], { 'd/': '', 'd/sub/': '', 'd/sub/b': 'b', e: 'e' }],
    ['hides a tree', [file('.wh.d')], { e: 'e' }],
    [
      'of what is not there',
      [file('none/.wh.x'), file('.wh.y')],
      { 'd/': '', 'd/a': 'a', 'd/sub/': '', 'd/sub/b': 'b', e: 'e' },
    ],
    [
      'opaque, before its siblings',
      [directory('d'), file('d/.wh..wh..opq'), file('d/n', 'n')],
      { 'd/': '', 'd/n': 'n', e: 'e' },
    ],
    [
      'opaque, after its siblings',
      [directory('d'), file('d/sub/n', 'n'), file('d/.wh..wh..opq')],
      { 'd/': '', 'd/sub/': '', 'd/sub/n': 'n', e: 'e' },
    ],
    [
      'spares what the same layer put',
      [file('d/a', 'new'), file('d/.wh.a')],
      { 'd/': '', 'd/a': 'new', 'd/sub/': '', 'd/sub/b': 'b', e: 'e' },
    ],
    [
      'clears a directory that the same layer put',
      [directory('d'), file('d/n', 'n'), file('.wh.d')],
      { 'd/': '', 'd/n': 'n', e: 'e' },
    ],
    ['followed by a new thing of that name', [file('.wh.d'), file('d', 'now')], { d: 'now', e: 'e' }],
    [
      'notes of aufs',
      [directory('.wh..wh.plnk'), file('.wh..wh.aufs')],
      { 'd/': '', 'd/a': 'a', 'd/sub/': '', 'd/sub/b': 'b', e: 'e' },
    ],
  ])('%s', async (_, layer, expected) => {
    await apply(base);
    await apply(layer);
    expect(tree()).toEqual(expected);
  });

  test('are names in a plain archive', async () => {
    await apply([file('a'), file('.wh.a', 'x')], { whiteouts: false });
    expect(tree()).toEqual({ '.wh.a': 'x', a: '' });
  });

  test('do not reach through a link', async () => {
    mkdirSync(join(folder, 'other'));
    writeFileSync(join(folder, 'other/a'), 'untouched');
    symlinkSync(join(folder, 'other'), join(target, 'l'));
    await apply([file('l/.wh.a'), file('l/.wh..wh..opq'), file('.wh.l')]);
    expect([tree(), readFileSync(join(folder, 'other/a'), 'utf8')]).toEqual([{}, 'untouched']);
  });
});

describe('links for directories', () => {
  const merged = [
    directory('usr'),
    directory('usr/lib'),
    symlink('lib', 'usr/lib'),
    symlink('lib64', '/lib'),
  ];
  test('are followed inside the root for layers', async () => {
    await apply(merged);
    await apply([file('lib/a', 'a'), file('lib64/deep/b', 'b'), hardlink('lib64/c', 'lib/a')]);
    expect(tree()).toEqual({
      lib: '-> usr/lib',
      lib64: '-> /lib',
      'usr/': '',
      'usr/lib/': '',
      'usr/lib/a': 'a',
      'usr/lib/c': 'a',
      'usr/lib/deep/': '',
      'usr/lib/deep/b': 'b',
    });
  });

  test.each<[string, Entry[], Partial<ApplyOptions>, string]>([
    [
      'for a plain archive',
      [symlink('l', '/etc'), file('l/x')],
      archivePolicy,
      'a.tar, entry "l/x": its path goes through the symbolic link "l" to "/etc"',
    ],
    [
      'that leads out by ..',
      [symlink('l', '..'), file('l/outside', 'bad')],
      {},
      'a.tar, entry "l/outside": its path goes through the symbolic link "l" to "..", which leads out of the root',
    ],
    [
      'that leads out from deep below',
      [directory('a'), symlink('a/l', '../../outside'), file('a/l/x')],
      {},
      'a.tar, entry "a/l/x": its path goes through the symbolic link "a/l" to "../../outside", which leads out of the root',
    ],
    [
      'in a circle',
      [symlink('a', 'b'), symlink('b', 'a'), file('a/x')],
      {},
      'a.tar, entry "a/x": its path goes through the symbolic link "a" to "b", and there are too many',
    ],
    [
      'of a hard link',
      [symlink('l', '..'), hardlink('x', 'l/outside')],
      {},
      'a.tar, entry "x": its path goes through the symbolic link "l" to "..", which leads out of the root',
    ],
  ])('are refused %s', async (_, entries, options, message) => {
    expect(await failure(apply(entries, options))).toEqual(['TAR_THROUGH_LINK', message]);
    expect(readFileSync(join(folder, 'outside'), 'utf8')).toBe('untouched');
  });

  test('a directory that becomes a link within one archive is refused', async () => {
    expect(await failure(apply([directory('d'), symlink('d', '..'), file('d/outside', 'bad')]))).toEqual([
      'TAR_DUPLICATE',
      'a.tar, entry "d": it is there twice, as directory and as symlink',
    ]);
  });

  test('a link that lay at a file is replaced, not written through', async () => {
    symlinkSync(join(folder, 'outside'), join(target, 'f'));
    symlinkSync(join(folder, 'outside'), join(target, 'h'));
    await apply([file('f', 'new'), file('g', 'g'), hardlink('h', 'g')]);
    expect([tree(), readFileSync(join(folder, 'outside'), 'utf8')]).toEqual([
      { f: 'new', g: 'g', h: 'g' },
      'untouched',
    ]);
  });
});

describe('refused', () => {
  test.each<[string, Entry[], Partial<ApplyOptions>, string, string]>([
    [
      'an absolute path',
      [file('/etc/passwd')],
      archivePolicy,
      'TAR_ABSOLUTE_PATH',
      'a.tar, entry "/etc/passwd": "/etc/passwd" is an absolute path',
    ],
    [
      'a climbing path',
      [file('a/../../outside')],
      {},
      'TAR_PATH_ESCAPES',
      'a.tar, entry "a/../../outside": "a/../../outside" climbs by a ".." component',
    ],
    ['just ..', [file('..')], {}, 'TAR_PATH_ESCAPES', 'a.tar, entry "..": ".." climbs by a ".." component'],
    [
      'a hard link that climbs',
      [hardlink('a', '../outside')],
      {},
      'TAR_PATH_ESCAPES',
      'a.tar, entry "a": "../outside" climbs by a ".." component',
    ],
    [
      'a hard link to an absolute path',
      [hardlink('a', '/etc/passwd')],
      archivePolicy,
      'TAR_ABSOLUTE_PATH',
      'a.tar, entry "a": "/etc/passwd" is an absolute path',
    ],
    [
      'a hard link to nothing',
      [hardlink('a', 'b')],
      {},
      'TAR_LINK_TARGET',
      'a.tar, entry "a": the hard link leads to "b", which is not there',
    ],
    [
      'a hard link to a directory',
      [directory('d'), hardlink('a', 'd')],
      {},
      'TAR_LINK_TARGET',
      'a.tar, entry "a": the hard link leads to "d", which is a directory',
    ],
    [
      'a link without target',
      [symlink('a', '')],
      {},
      'TAR_INVALID',
      'a.tar, entry "a": the symbolic link has no target',
    ],
    [
      'a file for a directory',
      [file('a'), file('a/b')],
      {},
      'TAR_NOT_A_DIRECTORY',
      'a.tar, entry "a/b": "a" is not a directory',
    ],
    [
      'a whiteout of ..',
      [file('.wh...')],
      {},
      'TAR_PATH_ESCAPES',
      'a.tar, entry ".wh...": it is a whiteout of no name',
    ],
    [
      'a whiteout of nothing',
      [file('d/.wh.')],
      {},
      'TAR_PATH_ESCAPES',
      'a.tar, entry "d/.wh.": it is a whiteout of no name',
    ],
    [
      'a device',
      [{ path: 'dev/sda', type: 'block-device', deviceMajor: 8 }],
      archivePolicy,
      'TAR_DEVICE',
      'a.tar, entry "dev/sda": it is a block device',
    ],
    ['a name too long for the file system', [file('n'.repeat(300))], {}, 'UNPACK_FAILED', ''],
  ])('%s', async (_, entries, options, code, message) => {
    const [foundCode, foundMessage] = await failure(apply(entries, options));
    expect([foundCode, message === '' ? '' : foundMessage]).toEqual([code, message]);
    expect(readdirSync(folder).sort()).toEqual(['outside', 'root']);
  });

  test('a root that is a file', async () => {
    expect((await failure(apply([file('.')])))[0]).toBe('TAR_INVALID');
  });
});

test('devices that are left out are findings', async () => {
  const devices = ['console', 'null'].map(
    (name): Entry => ({ path: `dev/${name}`, type: 'character-device', deviceMajor: 1, deviceMinor: 3 }),
  );
  const { findings } = await apply(devices, { devices: 'skip' });
  expect(findings).toEqual([{ kind: 'device-skipped', count: 2, entries: ['dev/console', 'dev/null'] }]);
  expect(readdirSync(join(target, 'dev'))).toEqual([]);
});

test.skipIf(root)('owners that an ordinary user cannot give are a finding', async () => {
  const { findings } = await apply([file('a', '', { uid: 0, gid: 0 })]);
  expect(findings).toEqual([{ kind: 'owner-not-kept', count: 1, entries: ['a'] }]);
});

test("overlayfs's own attributes are never set", async () => {
  const { findings } = await apply([
    directory('d', { xattrs: new Map([['user.overlay.opaque', Buffer.from('y')]]) }),
  ]);
  expect(findings).toEqual([{ kind: 'xattr-not-kept', count: 1, entries: ['d (user.overlay.opaque)'] }]);
});

test('an abort stops between entries', async () => {
  const [code] = await failure(apply([file('a')], { signal: AbortSignal.abort() }));
  expect([code, readdirSync(target)]).toEqual(['INTERRUPTED', []]);
});

test('an interruption is seen within what follows the last entry, however much it is', async () => {
  const controller = new AbortController();
  async function* endless() {
    yield* writeTar([{ type: 'file', mode: 0o644, modified: 1000, ...owner, ...file('a') }]);
    for (let piece = 0; piece < 1000; piece++) {
      if (piece === 10) controller.abort();
      if (piece > 11) throw new Error('still reading');
      yield new Uint8Array(4096);
    }
  }
  const options = { name: 'a.tar', ...layerPolicy, signal: controller.signal };
  expect(await failure(applyLayer(endless(), target, options))).toEqual([
    'INTERRUPTED',
    'Unpacking a.tar was interrupted',
  ]);
});
