import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { rmSync } from 'node:fs';
import { KairosError } from '@kairos/facts/errors';
import { type DirectoryHost, directoryHost } from '@kairos/host/directory';
import type { RunOptions } from '@kairos/host/host';
import { runProgram } from '@kairos/host/run';
import { listingToJson } from '@kairos/host/tree-listing';
import { readShippedRecord } from './state-records.ts';
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
    const record = readShippedRecord(host.files, target, '/a');
    const owner = { uid: host.files.status('/a/file')?.uid, gid: host.files.status('/a/file')?.gid };
    expect({ ...record, entries: listingToJson(record?.entries ?? new Map()) } as unknown).toEqual({
      schemaVersion: 1,
      path: '/a',
      image: 'v1',
      entries: {
        '.': { type: 'directory', mode: 0o755, ...owner },
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
    await seedState(host, ['/var/lib'], target, 'v1');
    const record = readShippedRecord(host.files, target, '/var/lib');
    expect([...(record?.entries.keys() ?? [])]).toEqual(['.', 'own']);
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
