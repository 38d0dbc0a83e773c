import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { rmSync } from 'node:fs';
import { KairosError } from '@kairos/facts/errors';
import { type DirectoryHost, directoryHost } from '@kairos/host/directory';
import type { RunOptions } from '@kairos/host/host';
import { runProgram } from '@kairos/host/run';
import fc from 'fast-check';
import { missingEntries, parseSeedRecord, type ShippedEntry } from './shipped-tree.ts';
import { seedState } from './state-seed.ts';
import { testFolder } from './test-folder.ts';

let folder: string;
beforeEach(() => {
  folder = testFolder('seed');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const target = '/usr/local/.state';

/** A machine whose cp is real and may be broken for some paths. */
function machine(broken: (argv: readonly string[]) => boolean = () => false): DirectoryHost {
  return directoryHost(folder, {
    async run(argv, options: RunOptions) {
      if (broken(argv)) throw new KairosError('TOOL_FAILED', `${argv[0]}: no space left`);
      if (argv[0] === 'sync') return {};
      const [program = '', ...rest] = argv;
      return await runProgram([program, ...rest], options);
    },
  });
}
const copies = (host: DirectoryHost) => host.commands.filter(([name]) => name === 'cp').length;
const tree = (host: DirectoryHost, path: string): string[] =>
  host.files.list(path).flatMap((name) => {
    const place = `${path}/${name}`;
    return host.files.status(place)?.kind === 'directory' ? [`${name}/`, ...tree(host, place)] : [name];
  });

describe('the first boot', () => {
  test('copies what the image ships, with modes and links', async () => {
    const host = machine();
    host.files.write('/etc/ssh/sshd_config', 'Port 22\n', { mode: 0o600 });
    host.files.makeDirectory('/etc/ssh/conf.d');
    host.files.symlink('../sshd_config', '/etc/ssh/conf.d/link');
    host.files.chmod('/etc/ssh', 0o750);
    expect(await seedState(host, ['/etc/ssh', '/var/absent'], target, 'v1')).toEqual(new Map());
    expect(tree(host, `${target}/etc-ssh.bind`)).toEqual(['conf.d/', 'link', 'sshd_config']);
    expect(host.files.status(`${target}/etc-ssh.bind/sshd_config`)?.mode).toBe(0o600);
    expect(host.files.status(`${target}/etc-ssh.bind`)?.mode).toBe(0o750);
    expect(host.files.readLink(`${target}/etc-ssh.bind/conf.d/link`)).toBe('../sshd_config');
    expect(host.files.list(`${target}/var-absent.bind`)).toEqual([]);
    expect(host.files.status(`${target}/var-absent.bind`)?.kind).toBe('directory');
    expect(host.files.exists(`${target}/.kairos/staging`)).toBe(false);
  });

  test('syncs once, before anything gets its place', async () => {
    const host = machine();
    for (const path of ['/a', '/b', '/c']) host.files.write(`${path}/file`, path);
    await seedState(host, ['/a', '/b', '/c'], target, 'v1');
    expect(host.commands.map(([name]) => name)).toEqual(['cp', 'cp', 'cp', 'sync']);
  });

  test('records what the image shipped', async () => {
    const host = machine();
    host.files.write('/a/file', 'hello', { mode: 0o640 });
    host.files.symlink('file', '/a/link');
    await seedState(host, ['/a'], target, 'v1');
    const record = parseSeedRecord(host.files.readText(`${target}/.kairos/seed/a.json`));
    const owner = { uid: host.files.status('/a/file')?.uid, gid: host.files.status('/a/file')?.gid };
    expect(record as unknown).toEqual({
      schemaVersion: 1,
      path: '/a',
      image: 'v1',
      entries: {
        file: {
          type: 'file',
          mode: 0o640,
          ...owner,
          size: 5,
          sha256: '2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824',
        },
        link: { type: 'symlink', mode: 0o777, ...owner, target: 'file' },
      },
    });
  });

  test('does not copy what is mounted inside', async () => {
    const host = machine();
    host.mount({ source: '/dev/vdb1', target: '/var/lib/data', type: 'ext4', options: [] });
    host.files.write('/var/lib/data/huge', 'x');
    host.files.write('/var/lib/own', 'x');
    host.files.makeDirectory(`${target}/var-lib.bind`);
    await seedState(host, ['/var/lib'], target, 'v1');
    const record = parseSeedRecord(host.files.readTextIfAny(`${target}/.kairos/seed/var-lib.json`));
    expect(Object.keys(record?.entries ?? {})).toEqual(['own']);
  });
});

describe('later boots', () => {
  async function seeded(): Promise<DirectoryHost> {
    const host = machine();
    for (const name of ['kept', 'changed', 'deleted', 'folder/kept', 'gone/a', 'gone/b']) {
      host.files.write(`/etc/app/${name}`, 'image 1');
    }
    await seedState(host, ['/etc/app'], target, 'v1');
    return host;
  }
  const state = `${target}/etc-app.bind`;

  test('of the same image touch nothing', async () => {
    const host = await seeded();
    host.files.remove(`${state}/deleted`);
    const before = host.commands.length;
    expect(await seedState(host, ['/etc/app'], target, 'v1')).toEqual(new Map());
    expect(host.commands).toHaveLength(before);
    expect(host.files.exists(`${state}/deleted`)).toBe(false);
  });

  test('of another image bring what is new and respect what the user did', async () => {
    const host = await seeded();
    host.files.write(`${state}/changed`, 'user');
    host.files.write(`${state}/own`, 'user');
    host.files.remove(`${state}/deleted`);
    host.files.remove(`${state}/gone`);
    for (const name of ['new', 'folder/new', 'more/deep/new', 'gone/c']) {
      host.files.write(`/etc/app/${name}`, 'image 2');
    }
    expect(await seedState(host, ['/etc/app'], target, 'v2')).toEqual(new Map());
    expect(tree(host, state)).toEqual([
      'changed',
      'folder/',
      'kept',
      'new',
      'kept',
      'more/',
      'deep/',
      'new',
      'new',
      'own',
    ]);
    expect(host.files.readText(`${state}/changed`)).toBe('user');
    // One copy for each topmost entry that is new.
    expect(copies(host)).toBe(1 + 3);
    const third = await seedState(host, ['/etc/app'], target, 'v2');
    expect([third.size, copies(host)]).toEqual([0, 4]);
  });

  test('without a record add what is missing and keep what is there', async () => {
    const host = await seeded();
    host.files.write(`${state}/changed`, 'user');
    host.files.remove(`${state}/kept`);
    host.files.write(`${target}/.kairos/seed/etc-app.json`, '{"schemaVersion":1,');
    await seedState(host, ['/etc/app'], target, 'v1');
    expect(host.files.readText(`${state}/changed`)).toBe('user');
    expect(host.files.readText(`${state}/kept`)).toBe('image 1');
  });
});

describe('failures', () => {
  test('of one path leave the others whole and the failed one as it was', async () => {
    const host = machine((argv) => argv.some((word) => word.includes('/etc/bad')));
    host.files.write('/etc/bad/file', 'x');
    host.files.write('/etc/good/file', 'x');
    const failures = await seedState(host, ['/etc/bad', '/etc/good'], target, 'v1');
    expect([...failures]).toEqual([['/etc/bad', 'cp: no space left']]);
    expect(host.files.exists(`${target}/etc-bad.bind`)).toBe(false);
    expect(host.files.list(`${target}/etc-good.bind`)).toEqual(['file']);
  });

  test('a power cut while copying leaves no half of a directory behind', async () => {
    const host = machine((argv) => argv[0] === 'sync');
    host.files.write('/etc/app/file', 'x');
    await expect(seedState(host, ['/etc/app'], target, 'v1')).rejects.toThrow('no space left');
    expect(host.files.exists(`${target}/etc-app.bind`)).toBe(false);
    expect(host.files.exists(`${target}/.kairos/staging/etc-app/file`)).toBe(true);
    const again = machine();
    expect(await seedState(again, ['/etc/app'], target, 'v1')).toEqual(new Map());
    expect(again.files.list(`${target}/etc-app.bind`)).toEqual(['file']);
    expect(again.files.exists(`${target}/.kairos/staging`)).toBe(false);
  });

  test('a file in the place of a persistent directory is told', async () => {
    const host = machine();
    host.files.write(`${target}/etc-app.bind`, 'what?');
    const failures = await seedState(host, ['/etc/app'], target, 'v1');
    expect(failures.get('/etc/app')).toBe('/usr/local/.state/etc-app.bind is a file, not a directory');
  });
});

test.each([
  undefined,
  '',
  'null',
  '[]',
  '{}',
  '{"schemaVersion":2,"path":"/a","image":"v","entries":{}}',
  '{"schemaVersion":1,"path":"/a","image":"v","entries":null}',
])('record %j is none', (text) => {
  expect(parseSeedRecord(text)).toBeUndefined();
});

test('an entry is missing only if it is new, and only its topmost part is listed', () => {
  const name = fc.constantFrom('a', 'b', 'c');
  const path = fc.array(name, { minLength: 1, maxLength: 3 });
  /** A tree as the walk gives it: every directory before what it holds. */
  const treeOf = (leaves: readonly (readonly string[])[]) => {
    const all = new Set<string>();
    for (const leaf of leaves) {
      for (let depth = 1; depth <= leaf.length; depth++) all.add(leaf.slice(0, depth).join('/'));
    }
    return [...all].sort();
  };
  const entry: ShippedEntry = { type: 'other', mode: 0, uid: 0, gid: 0 };
  const record = (names: readonly string[]) => Object.fromEntries(names.map((one) => [one, entry]));
  const trees = fc.array(path, { maxLength: 8 }).map(treeOf);
  fc.assert(
    fc.property(trees, trees, trees, (shipped, known, there) => {
      const missing = missingEntries(record(shipped), record(known), (one) => there.includes(one));
      for (const one of missing) {
        expect([there.includes(one), known.includes(one)]).toEqual([false, false]);
        const parent = one.slice(0, Math.max(0, one.lastIndexOf('/')));
        if (parent !== '') expect(there.includes(parent)).toBe(true);
      }
      // With no record everything that is shipped ends up there.
      const all = missingEntries(record(shipped), undefined, (one) => there.includes(one));
      for (const one of shipped) {
        expect(there.includes(one) || all.some((top) => one === top || one.startsWith(`${top}/`))).toBe(true);
      }
    }),
  );
});
