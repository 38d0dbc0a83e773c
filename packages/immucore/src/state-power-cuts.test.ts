import { afterEach, describe, expect, test } from 'bun:test';
import { cpSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Host } from '@kairos/host/host';
import { path, stateMachine, type Tree, target } from './fixture-state.ts';

const { folder, machine, ship, contents, boot, start, proveGood, edit } = stateMachine();
/** Where the machine is kept as it was before. */
const before = () => `${folder()}-before`;
afterEach(() => rmSync(before(), { recursive: true, force: true }));

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
    renameSync(folder(), before());
    let cuts = 0;
    for (let n = 1; ; n++) {
      rmSync(folder(), { recursive: true, force: true });
      cpSync(before(), folder(), { recursive: true, verbatimSymlinks: true });
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
    renameSync(folder(), before());
    for (let n = 1; ; n++) {
      rmSync(folder(), { recursive: true, force: true });
      cpSync(before(), folder(), { recursive: true, verbatimSymlinks: true });
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
    writeFileSync(join(folder(), target, '.kairos/merge/etc-app/a'), 'torn');
    await boot('v2');
    expect(contents()).toEqual({ a: '2' });
  });
});
