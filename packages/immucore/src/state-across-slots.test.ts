import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { cpSync, existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KairosError } from '@kairos/facts/errors';
import { persistentDirectory } from '@kairos/facts/persistent-state';
import { type DirectoryHost, directoryHost } from '@kairos/host/directory';
import type { Host } from '@kairos/host/host';
import { runProgram } from '@kairos/host/run';
import { listingToJson, listTree } from '@kairos/host/tree-listing';
import { type StateOutcome, settleState } from './state-across-slots.ts';
import { readStateRecord } from './state-records.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'state-'));
});
afterEach(() => {
  for (const path of [folder, `${folder}-before`]) rmSync(path, { recursive: true, force: true });
});

const target = '/usr/local/.state';
const path = '/etc/app';
const state = persistentDirectory(target, path);

/** A machine whose cp is real, and breaks where `broken` says so. */
function machine(broken: (argv: readonly string[]) => boolean = () => false): DirectoryHost {
  return directoryHost(folder, {
    async run(argv, options) {
      if (broken(argv)) throw new KairosError('TOOL_FAILED', `${argv[0]}: no space left`);
      if (argv[0] === 'sync') return {};
      const [program = '', ...rest] = argv;
      return await runProgram([program, ...rest], options);
    },
  });
}

/** What an image ships in `/etc/app`: contents by name; a link is written `>target`. */
type Tree = Readonly<Record<string, string>>;

function ship(tree: Tree, where = path): void {
  const { files } = machine();
  files.remove(where);
  files.makeDirectory(where);
  for (const [name, content] of Object.entries(tree)) {
    const place = `${where}/${name}`;
    if (content.startsWith('>')) files.symlink(content.slice(1), place);
    else files.write(place, content);
  }
}

/** Contents by name, of files and links. */
function contents(where = state): Tree {
  const { files } = machine();
  return Object.fromEntries(
    [...listTree(files, where)].flatMap(([name, { type, target: to }]) =>
      type === 'file'
        ? [[name, files.readText(`${where}/${name}`)]]
        : type === 'symlink'
          ? [[name, `>${to}`]]
          : [],
    ),
  );
}

const boot = (image: string, host: Host = machine(), paths: readonly string[] = [path]) =>
  settleState(host, paths, target, { image });

/** Starts an image that ships a tree. */
function start(image: string, tree: Tree, host?: Host): Promise<StateOutcome> {
  ship(tree);
  return boot(image, host);
}

/** What `kairos-agent boot-good` writes when a system has proved good. */
function proveGood(): void {
  const { files } = machine();
  const record = readStateRecord(files, target);
  const paths = { [path]: listingToJson(listTree(files, state)) };
  files.write(
    `${target}/.kairos/proven.json`,
    JSON.stringify({ schemaVersion: 1, image: record?.image, sequence: record?.sequence, paths }),
  );
}

const edit = (name: string, content: string) => machine().files.write(`${state}/${name}`, content);

describe('an upgrade', () => {
  test('removes, adds and updates, keeps what the user made, and says so', async () => {
    await start('v1', {
      same: '1',
      gone: '1',
      'gone-edited': '1',
      changed: '1',
      both: '1',
      'dir/a': '1',
      l: '>a',
    });
    edit('both', 'user');
    edit('gone-edited', 'user');
    edit('own', 'user');
    const outcome = await start('v2', {
      same: '1',
      changed: '2',
      both: '2',
      added: '2',
      l: '>b',
      'new/deep/a': '2',
    });
    expect(contents()).toEqual({
      ...{ same: '1', 'gone-edited': 'user', changed: '2', both: 'user', 'both.kairos-new': '2' },
      ...{ added: '2', l: '>b', 'new/deep/a': '2', own: 'user' },
    });
    expect(machine().files.exists(`${state}/dir`)).toBe(false);
    expect(outcome).toEqual({
      failures: new Map(),
      problems: [],
      note:
        'merged 1 paths with 8 changes; /etc/app/both: changed by both, see both.kairos-new; ' +
        '/etc/app/gone-edited: removed from the image',
    });
    expect(readStateRecord(machine().files, target)).toEqual({
      ...{ schemaVersion: 1, image: 'v2', parent: 'v1', paths: [path], sequence: 2, restored: false },
      conflicts: [
        { path, name: 'both', what: 'changed by both', beside: 'both.kairos-new' },
        { path, name: 'gone-edited', what: 'removed from the image' },
      ],
    });
  });

  test('gives files the modes of the new image', async () => {
    ship({ secret: '1', moded: '1' });
    await boot('v1');
    ship({ secret: '2', moded: '1' });
    const { files } = machine();
    files.chmod(`${path}/secret`, 0o600);
    files.chmod(`${path}/moded`, 0o4755);
    files.chmod(path, 0o700);
    await boot('v2');
    const mode = (place: string) => files.status(place)?.mode;
    expect([mode(`${state}/secret`), mode(`${state}/moded`), mode(state)]).toEqual([0o600, 0o4755, 0o700]);
  });

  test('reads one file and changes nothing where the image is the one of the last boot', async () => {
    await start('v1', { a: '1' });
    const host = machine();
    const read: string[] = [];
    const refuse = (name: string) => () => {
      throw new Error(`${name} at an ordinary boot`);
    };
    const { files } = host;
    const watched: Host = {
      ...host,
      run: refuse('run'),
      files: {
        ...files,
        readTextIfAny(place) {
          read.push(place);
          return files.readTextIfAny(place);
        },
        list: refuse('list'),
        sha256: refuse('sha256'),
        write: refuse('write'),
        remove: refuse('remove'),
        makeDirectory: refuse('makeDirectory'),
        rename: refuse('rename'),
      },
    };
    expect(await boot('v1', watched)).toEqual({ failures: new Map(), problems: [], note: undefined });
    expect(read).toEqual([`${target}/.kairos/state.json`]);
  });

  test('does not read what users keep beside', async () => {
    await start('v1', { a: '1' });
    edit('huge', 'u'.repeat(100));
    ship({ a: '2' });
    const host = machine();
    const hashed: string[] = [];
    const counting: Host = {
      ...host,
      files: {
        ...host.files,
        sha256(place) {
          hashed.push(place);
          return host.files.sha256(place);
        },
      },
    };
    await boot('v2', counting);
    expect(hashed).toEqual([`${path}/a`, `${state}/a`]);
  });

  test('keeps to the tree where the user put a link in the place of a directory', async () => {
    await start('v1', { 'd/a': '1', 'd/b': '1' });
    const { files } = machine();
    files.write('/oem/d/a', '1');
    files.remove(`${state}/d`);
    files.symlink('/oem/d', `${state}/d`);
    await start('v2', { 'd/a': '2' });
    expect([contents(), contents('/oem/d')]).toEqual([{ d: '>/oem/d' }, { a: '1' }]);
  });

  const hostile = [
    '-rf',
    '--target-directory=x',
    'a\nb',
    '"; rm',
    '$(x)',
    '`x`',
    ' ',
    '*',
    '__proto__',
    'constructor',
    'é\u0301',
  ];
  test('handles any name', async () => {
    const trees = (version: string) => Object.fromEntries(hostile.map((name) => [name, version] as const));
    await start('v1', trees('1'));
    edit('-rf', 'user');
    await start('v2', trees('2'));
    expect(contents()).toEqual({ ...trees('2'), '-rf': 'user', '-rf.kairos-new': '2' });
    await start('v3', {});
    expect(contents()).toEqual({ '-rf': 'user', '-rf.kairos-new': '2' });
  });

  test('copies more names than one program can be given', async () => {
    const many = (version: string): Tree =>
      Object.fromEntries(Array.from({ length: 600 }, (_, n) => [`${n}-${'n'.repeat(200)}`, version]));
    await start('v1', many('1'));
    await start('v2', many('2'));
    expect(contents()).toEqual(many('2'));
  });

  test('of a node without a record, or with a damaged one, adds and keeps', async () => {
    await start('v1', { a: '1', b: '1', c: '1' });
    edit('a', 'user');
    const { files } = machine();
    files.remove(`${state}/b`);
    files.write(`${target}/.kairos/state.json`, '{"schemaVersion":1,');
    files.write(`${target}/.kairos/seed/etc-app.json`, 'torn');
    await start('v2', { a: '1', b: '1', c: '1' });
    expect(contents()).toEqual({ a: 'user', 'a.kairos-new': '1', b: '1', c: '1' });
  });
});

/** A service that keeps data in /etc and rewrites them in its own format when it is started. */
const migrate = () => edit('service.db', 'format 2');
const v1 = { 'service.conf': 'for 1', 'service.db': 'format 1', note: 'shipped' };
const v2 = { 'service.conf': 'for 2', 'service.db': 'format 1', note: 'shipped', extra: 'of v2' };

describe('going back', () => {
  test('after an upgrade that migrated the data of a service gives the old image its own', async () => {
    await start('v1', v1);
    edit('own', 'made with v1');
    const before = contents();
    await start('v2', v2);
    migrate();
    edit('made-by-v2', 'x');
    const outcome = await start('v1', v1);
    expect(contents()).toEqual(before);
    expect(outcome.note).toStartWith('brought back 1 paths');
    expect(readStateRecord(machine().files, target)).toMatchObject({
      image: 'v1',
      sequence: 3,
      restored: true,
    });
  });

  test('after it had proved good keeps what the user did then, in files that were not migrated', async () => {
    await start('v1', v1);
    proveGood();
    await start('v2', v2);
    migrate();
    proveGood();
    edit('note', 'user');
    edit('own', 'user');
    edit('service.conf', 'for 2, by the user');
    edit('service.db', 'format 2, more');
    const outcome = await start('v1', v1);
    expect(contents()).toEqual({
      ...{ 'service.conf': 'for 1', 'service.conf.kairos-kept': 'for 2, by the user' },
      ...{ 'service.db': 'format 1', 'service.db.kairos-kept': 'format 2, more' },
      ...{ note: 'user', own: 'user' },
    });
    expect(outcome.note).toContain('/etc/app/service.db: changed by both, see service.db.kairos-kept');
  });

  test('and forth again gives the new image its own, if it had proved good', async () => {
    await start('v1', v1);
    await start('v2', v2);
    migrate();
    proveGood();
    const good = contents();
    await start('v1', v1);
    proveGood();
    edit('note', 'user');
    await start('v2', v2);
    expect(contents()).toEqual({ ...good, note: 'user' });
  });

  test('to try the same image again starts from the good state, not from the failed one', async () => {
    await start('v1', v1);
    await start('v2', v2);
    edit('service.conf', 'broken by the failed start');
    await start('v1', v1);
    expect(contents()).toEqual(v1);
    await start('v2', v2);
    expect(contents()).toEqual(v2);
    // What the failed start left can still be looked at.
    expect(readStateRecord(machine().files, target)?.restored).toBe(false);
  });

  test('merges what is not configuration like any other change of images', async () => {
    const data = '/var/lib/app';
    const paths = [path, data];
    const both = async (image: string, tree: Tree) => {
      ship(tree);
      ship(tree, data);
      return await boot(image, machine(), paths);
    };
    await both('v1', { a: '1', b: '1' });
    await both('v2', { a: '2', b: '1' });
    machine().files.write(`${persistentDirectory(target, data)}/b`, 'user');
    machine().files.write(`${persistentDirectory(target, data)}/rows`, 'user');
    await both('v1', { a: '1', b: '1' });
    expect(contents(persistentDirectory(target, data))).toEqual({ a: '1', b: 'user', rows: 'user' });
    expect(machine().files.list(`${target}/.kairos/snapshots`)).toHaveLength(1);
  });

  test('keeps the snapshots of the last three images', async () => {
    for (const version of ['1', '2', '3', '4', '5', '6']) await start(`v${version}`, { a: version });
    const { files } = machine();
    const root = `${target}/.kairos/snapshots`;
    const kept = files
      .list(root)
      .map((name) => JSON.parse(files.readText(`${root}/${name}/snapshot.json`)).image);
    expect(kept.sort()).toEqual(['v3', 'v4', 'v5']);
  });
});

describe('what cannot be done', () => {
  test('leaves a path as it was, says so, and is done at the next boot', async () => {
    await start('v1', { a: '1' });
    const outcome = await start(
      'v2',
      { a: '2' },
      machine((argv) => argv.includes('--parents')),
    );
    expect([outcome.failures.size, outcome.problems]).toEqual([
      0,
      ['/etc/app stays as the image before had it: cp: no space left'],
    ]);
    expect(contents()).toEqual({ a: '1' });
    expect((await boot('v2')).problems).toEqual([]);
    expect(contents()).toEqual({ a: '2' });
    // The configuration of v1 was kept when v1 was left, and not again.
    await start('v1', { a: '1' });
    expect(contents()).toEqual({ a: '1' });
  });

  test('no room for a snapshot: the merge goes on, and it is told', async () => {
    await start('v1', { a: '1' });
    const outcome = await start(
      'v2',
      { a: '2' },
      machine((argv) => argv[0] === 'cp' && !argv.includes('--parents')),
    );
    expect(outcome.problems).toEqual([
      'the configuration of the image before could not be kept for a rollback: cp: no space left',
    ]);
    expect(contents()).toEqual({ a: '2' });
  });

  test('a file in the place of the directory fails that path alone', async () => {
    machine().files.write(state, 'what?');
    const outcome = await start('v1', { a: '1' });
    expect([...outcome.failures]).toEqual([[path, `${state} is a file, not a directory`]]);
  });
});

/** Not an error, so that nothing that handles errors goes on after it. */
class PowerCut {
  constructor(readonly change: number) {}
}

/** A host whose power goes before the n-th change. Removing a tree is a change for each of its entries. */
function cutBefore(n: number): { readonly host: Host; readonly changes: () => number } {
  const host = machine();
  const { files } = host;
  let count = 0;
  const change = (): void => {
    count++;
    if (count >= n) throw new PowerCut(n);
  };
  const guarded =
    <Arguments extends unknown[], Result>(run: (...given: Arguments) => Result) =>
    (...given: Arguments): Result => {
      change();
      return run(...given);
    };
  const remove = (place: string): void => {
    const status = files.status(place);
    if (status === undefined) return;
    if (status.kind === 'directory') for (const name of files.list(place)) remove(`${place}/${name}`);
    change();
    files.remove(place);
  };
  return {
    changes: () => count,
    host: {
      ...host,
      run: guarded(host.run),
      files: {
        ...files,
        makeDirectory: guarded(files.makeDirectory),
        write: guarded(files.write),
        chmod: guarded(files.chmod),
        chown: guarded(files.chown),
        rename: guarded(files.rename),
        remove,
      },
    },
  };
}

describe('a power cut before every change', () => {
  const old = {
    ...{ same: '1', gone: '1', changed: '1', both: '1', 'dir/a': '1', link: '>a' },
    ...{ 'to-file/a': '1', 'to-dir': '1', mode: '1' },
  };
  const fresh = {
    ...{ same: '1', changed: '2', both: '2', link: '>b', 'to-file': '2', 'to-dir/a': '2', added: '2' },
    ...{ 'new/a': '2', mode: '1' },
  };
  const merged = { ...fresh, both: 'user', 'both.kairos-new': '2', own: 'user' };
  const own = { ...old, both: 'user', own: 'user' };
  const kept = { ...old, both: 'more', own: 'user', 'changed.kairos-kept': 'more' };

  /** From v1 to v2 with edits of the user; `at` is the change before which the power goes. */
  const scenarios: readonly (readonly [string, () => Promise<void>, string, Tree, Tree])[] = [
    [
      'of an upgrade',
      async () => {
        await start('v1', old);
        edit('both', 'user');
        edit('own', 'user');
        ship(fresh);
        machine().files.chmod(`${path}/mode`, 0o600);
      },
      'v2',
      fresh,
      merged,
    ],
    [
      'of a way back',
      async () => {
        await start('v1', old);
        edit('both', 'user');
        edit('own', 'user');
        await start('v2', fresh);
        proveGood();
        edit('both', 'more');
        edit('changed', 'more');
        ship(old);
      },
      'v1',
      old,
      kept,
    ],
    ['of a first boot', async () => ship(old), 'v1', old, old],
  ];

  test.each(scenarios)('%s: the next boot finishes it', async (_, prepare, image, __, wanted) => {
    await prepare();
    renameSync(folder, `${folder}-before`);
    let cuts = 0;
    for (let n = 1; ; n++) {
      rmSync(folder, { recursive: true, force: true });
      cpSync(`${folder}-before`, folder, { recursive: true, verbatimSymlinks: true });
      const { host, changes } = cutBefore(n);
      const outcome = await boot(image, host).catch((error: unknown) => error);
      if (changes() < n) break;
      if (!(outcome instanceof PowerCut)) throw outcome;
      cuts++;
      const again = await boot(image);
      expect([n, again.problems, contents()]).toEqual([n, [], wanted]);
      // Nothing is left to do, and nothing of the work in progress stays.
      expect([n, (await boot(image)).note]).toEqual([n, undefined]);
      expect([n, machine().files.exists(`${target}/.kairos/merge`)]).toEqual([n, false]);
    }
    expect(contents()).toEqual(wanted);
    expect(cuts).toBeGreaterThan(image === 'v1' && wanted === old ? 5 : 20);
  });

  test('of an upgrade, and then the other image boots: it has its own', async () => {
    await scenarios[0]?.[1]();
    renameSync(folder, `${folder}-before`);
    for (let n = 1; ; n++) {
      rmSync(folder, { recursive: true, force: true });
      cpSync(`${folder}-before`, folder, { recursive: true, verbatimSymlinks: true });
      const { host, changes } = cutBefore(n);
      await boot('v2', host).catch((error: unknown) => {
        if (!(error instanceof PowerCut)) throw error;
      });
      if (changes() < n) break;
      expect((await start('v1', old)).problems).toEqual([]);
      expect([n, contents()]).toEqual([n, own]);
    }
  });

  test('a file that is torn in the staging directory is not used', async () => {
    await start('v1', { a: '1' });
    ship({ a: '2' });
    machine().files.makeDirectory(`${target}/.kairos/merge/etc-app`);
    writeFileSync(join(folder, target, '.kairos/merge/etc-app/a'), 'torn');
    await boot('v2');
    expect(contents()).toEqual({ a: '2' });
  });
});
