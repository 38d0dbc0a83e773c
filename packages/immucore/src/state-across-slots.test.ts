import { describe, expect, test } from 'bun:test';
import { persistentDirectory } from '@kairos/facts/persistent-state';
import type { Host } from '@kairos/host/host';
import { path, state, stateMachine, type Tree, target } from './fixture-state.ts';
import { readStateRecord } from './state-records.ts';

const { machine, ship, contents, boot, start, proveGood, edit } = stateMachine();

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
