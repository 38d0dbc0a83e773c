import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hostArchitecture } from '@kairos/facts/architecture';
import { type DirectoryHostOptions, directoryHost } from '@kairos/host/directory';
import type { Host } from '@kairos/host/host';
import { tryLock } from '@kairos/host/lock';
import { runProgram } from '@kairos/host/run';
import { createLayout } from '@kairos/oci/layout-writer';
import { type TarWriteEntry, writeTar } from '@kairos/oci/tar-write';
import { putContainer } from '@kairos/oci/test-content';
import { type Bundle, bundlesOf, parseBundle } from './config.ts';
import { type BundleOptions, installBundle, installBundles } from './install-bundle.ts';
import { bundleTask, installTargetBundles } from './node-bundles.ts';
import { readBundleRecord } from './record.ts';

let folder: string;
let warnings: string[];
let lines: string[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bundle-'));
  warnings = [];
  lines = [];
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const machine = (more: DirectoryHostOptions = {}): Host => ({
  ...directoryHost(folder, more),
  run: (argv, options) => runProgram(argv, options),
});

const uid = process.getuid?.() ?? 0;
const gid = process.getgid?.() ?? 0;

async function tar(entries: Record<string, string | Partial<TarWriteEntry>>): Promise<Uint8Array> {
  const written: TarWriteEntry[] = Object.entries(entries).map(([path, given]) => {
    const content = typeof given === 'string' ? Buffer.from(given) : undefined;
    return {
      ...{ path, type: 'file' as const, mode: 0o755, uid, gid, modified: 0 },
      ...(content === undefined
        ? {}
        : { size: content.length, content: [content] as unknown as AsyncIterable<Uint8Array> }),
      ...(typeof given === 'string' ? {} : given),
    };
  });
  const chunks: Uint8Array[] = [];
  for await (const chunk of writeTar(written)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Writes an image of layers as a layout below the host's root; gives the path on the host. */
async function image(name: string, ...layers: Parameters<typeof tar>[0][]): Promise<string> {
  const layout = createLayout(join(folder, name));
  const tars = await Promise.all(layers.map(tar));
  layout.writeIndex([putContainer(layout, tars, hostArchitecture())]);
  return `/${name}`;
}

const options = (more: Partial<BundleOptions> = {}): BundleOptions => ({
  tell: (line) => lines.push(line),
  warn: (message) => warnings.push(message),
  now: () => new Date('2026-01-02T03:04:05Z'),
  ...more,
});
const bundle = (target: string, root = '/'): Bundle => parseBundle(target, { root });
const read = (path: string) => readFileSync(join(folder, path), 'utf8');

describe('container', () => {
  test('files go into the root, are recorded, and are not installed twice', async () => {
    const path = await image('b', { 'usr/local/bin/tool': 'one' }, { 'opt/data': 'two' });
    const host = machine();
    const result = await installBundle(host, bundle(`container://${path}`), options());
    expect(result).toMatchObject({ outcome: 'installed', paths: ['/opt/data', '/usr/local/bin/tool'] });
    expect([read('usr/local/bin/tool'), read('opt/data')]).toEqual(['one', 'two']);
    expect(readBundleRecord(host.files, '/usr/local/.kairos/db')).toEqual([
      {
        target: `container://${path}`,
        root: '/',
        digest: result.digest,
        installed: '2026-01-02T03:04:05.000Z',
      },
    ]);
    host.files.remove('/opt/data');
    expect(await installBundle(host, bundle(`container://${path}`), options())).toMatchObject({
      outcome: 'present',
    });
    expect(existsSync(join(folder, 'opt/data'))).toBe(false);
    await installBundle(host, bundle(`container://${path}`), options({ force: true }));
    expect(read('opt/data')).toBe('two');
    expect(host.files.list('/usr/local/.kairos/db')).toEqual(['bundles.json']);
  });

  test('another root is another installation; a new image under the name is one too, unless only new ones are wanted', async () => {
    const path = await image('b', { file: 'one' });
    const host = machine();
    host.files.makeDirectory('/r');
    await installBundle(host, bundle(`container://${path}`), options());
    expect(await installBundle(host, bundle(`container://${path}`, '/r'), options())).toMatchObject({
      outcome: 'installed',
    });
    expect(read('r/file')).toBe('one');
    await image('b', { file: 'two' });
    const target = bundle(`container://${path}`);
    expect(await installBundle(host, target, options({ onlyNew: true }))).toMatchObject({
      outcome: 'present',
    });
    expect(await installBundle(host, target, options())).toMatchObject({ outcome: 'installed' });
    expect(read('file')).toBe('two');
    expect(readBundleRecord(host.files, '/usr/local/.kairos/db')).toHaveLength(2);
  });

  test('what a bundle hides with whiteouts is only its own', async () => {
    const path = await image(
      'b',
      { 'etc/own': 'x', 'etc/kept': 'x' },
      { 'etc/.wh.own': '', 'etc/.wh.node': '', 'var/.wh..wh..opq': '' },
    );
    const host = machine();
    host.files.write('/etc/node', 'node');
    host.files.write('/etc/own', 'node');
    host.files.write('/var/data', 'node');
    await installBundle(host, bundle(`container://${path}`), options());
    expect([read('etc/node'), read('etc/own'), read('var/data'), read('etc/kept')]).toEqual([
      'node',
      'node',
      'node',
      'x',
    ]);
  });

  test.each<[string, Parameters<typeof tar>[0], string]>([
    ['climbs out', { '../../escape': 'x' }, 'TAR_PATH_ESCAPES'],
    ['holds a device', { 'dev/sda': { type: 'block-device', deviceMajor: 8, deviceMinor: 0 } }, 'TAR_DEVICE'],
    ['replaces a directory of the node', { usr: { type: 'symlink', linkName: '/tmp' } }, 'MERGE_CONFLICT'],
    [
      'links to a file outside',
      { passwd: { type: 'hardlink', linkName: '../../../etc/passwd' } },
      'TAR_PATH_ESCAPES',
    ],
  ])('a hostile image that %s is refused, and nothing of it is left', async (_, entries, code) => {
    const path = await image('b', { 'a/first': 'x', ...entries });
    const host = machine();
    host.files.write('/usr/keep', 'keep');
    await expect(installBundle(host, bundle(`container://${path}`), options())).rejects.toMatchObject({
      code,
    });
    expect(existsSync(join(folder, 'a'))).toBe(false);
    expect(read('usr/keep')).toBe('keep');
    expect(host.files.list('/usr/local/.kairos/db')).toEqual([]);
  });

  test('places that are read-only are refused before the first write, lost ones are warned of', async () => {
    for (const path of ['/etc', '/usr/bin', '/usr/local']) machine().files.makeDirectory(path);
    const path = await image('b', { 'usr/bin/tool': 'x', 'usr/local/bin/tool': 'x', 'etc/conf': 'x' });
    const mount = (target: string, type: string, mode: string) => ({
      source: 'x',
      target,
      type,
      options: [mode],
    });
    const mounts = [
      mount('/', 'erofs', 'ro'),
      mount('/etc', 'overlay', 'rw'),
      mount('/usr/local', 'ext4', 'rw'),
    ];
    await expect(
      installBundle(machine({ mounts }), bundle(`container://${path}`), options()),
    ).rejects.toMatchObject({
      code: 'BUNDLE_READ_ONLY',
      message: `container://${path} has files for places that are read-only: /usr/bin/tool`,
    });
    expect(existsSync(join(folder, 'usr/local/bin'))).toBe(false);
    const fine = await image('c', { 'usr/local/bin/tool': 'x', 'etc/conf': 'x' });

    await expect(
      installBundle(machine({ mounts, freeSpace: 1 }), bundle(`container://${fine}`), options()),
    ).resolves.toBeDefined();
    expect(warnings).toEqual([`container://${fine}: /etc/conf are in memory and gone after a restart`]);
  });

  test('what does not fit is refused with both sizes', async () => {
    const path = await image('b', { 'usr/local/big': 'x'.repeat(5000) });
    const mounts = [{ source: 'x', target: '/usr/local', type: 'ext4', options: ['rw'] }];
    await expect(
      installBundle(machine({ mounts, freeSpace: 4096 }), bundle(`container://${path}`), options()),
    ).rejects.toMatchObject({ code: 'NO_SPACE', exit: 'noSpace' });
  });

  test('a dry run lists and writes nothing', async () => {
    const path = await image('b', { 'usr/local/tool': 'x' });
    const host = machine();
    expect(await installBundle(host, bundle(`container://${path}`), options({ dryRun: true }))).toMatchObject(
      {
        outcome: 'planned',
        paths: ['/usr/local/tool'],
      },
    );
    expect(host.files.list('/usr/local/.kairos/db')).toEqual([]);
    expect(existsSync(join(folder, 'usr/local/tool'))).toBe(false);
  });

  test('one at a time', async () => {
    const path = await image('b', { x: 'x' });
    const host = machine();
    const lock = tryLock(host.files, '/run/kairos-agent-bundles.lock', { pid: 1, work: 'x', since: '' });
    await expect(installBundle(host, bundle(`container://${path}`), options())).rejects.toMatchObject({
      code: 'BUSY',
    });
    if (lock.held) lock.release();
    host.files.write('/usr/local/.kairos/db/bundles.unpacked/old', 'of a run that was killed');
    await installBundle(host, bundle(`container://${path}`), options());
    expect(host.files.list('/usr/local/.kairos/db')).toEqual(['bundles.json']);
  });
});

describe('run', () => {
  test('its script runs beside its files, with their place in the environment', async () => {
    const path = await image('b', {
      'run.sh': `#!/bin/sh\necho "in $PWD"\ncp "$CONTAINERDIR/data" ${folder}/copied; echo "$BUNDLE_TARGET" >${folder}/target\n`,
      data: 'data',
    });
    const host = machine();
    await installBundle(host, bundle(`run://${path}`), options());
    expect([read('copied'), read('target')]).toEqual(['data', `${path}\n`]);
    expect(lines).toContain(`in ${folder}/usr/local/.kairos/db/bundles.unpacked`);
    expect(existsSync(join(folder, 'data'))).toBe(false);
    expect(host.files.list('/usr/local/.kairos/db')).toEqual(['bundles.json']);
  });

  test('a script that fails is an error with what it said, and is not recorded', async () => {
    const path = await image('b', { 'run.sh': '#!/bin/sh\necho broken >&2; exit 4\n' });
    const host = machine();
    await expect(installBundle(host, bundle(`run://${path}`), options())).rejects.toThrow(
      /exited with 4:\nbroken/,
    );
    expect(readBundleRecord(host.files, '/usr/local/.kairos/db')).toEqual([]);
    await expect(
      installBundle(host, bundle(`run://${await image('c', { x: 'x' })}`), options()),
    ).rejects.toMatchObject({
      code: 'BUNDLE_NO_SCRIPT',
    });
  });
});

test('a failure is never hidden by a later success', async () => {
  const one = await image('layouts-one', { one: 'x' });
  const host = machine();
  const list = bundlesOf([{ targets: ['container:///missing.tar', `container://${one}`, 'package://x'] }]);
  await expect(installBundles(host, list, options())).rejects.toMatchObject({
    code: 'BUNDLES_FAILED',
    message: expect.stringMatching(
      /^2 of 3 bundles could not be installed:\npackage:\/\/x: .*\ncontainer:\/\/\/missing\.tar: There is no \/missing\.tar/,
    ),
  });
  expect(read('one')).toBe('x');
});

test('a damaged record is put aside', async () => {
  const host = machine();
  host.files.write('/db/bundles.json', '{');
  expect(readBundleRecord(host.files, '/db')).toEqual([]);
  expect(host.files.list('/db')).toEqual(['bundles.json.bak']);
});

describe('of a configuration', () => {
  test('at installation: onto the partitions of the new system, bound to where it will have them', async () => {
    const path = await image('b', { 'usr/local/bin/tool': 'x' });
    const host = directoryHost(folder);
    const config = { install: { bundles: [{ targets: [`container://${path}`] }] } };
    await installTargetBundles(
      host,
      config,
      { oem: '/run/cos/oem', persistent: '/run/cos/persistent' },
      options(),
    );
    expect(host.mountLog).toEqual([
      'mount none /run/cos/oem /oem bind',
      'mount none /run/cos/persistent /usr/local bind',
      'unmount /usr/local',
      'unmount /oem',
    ]);
    expect(read('usr/local/bin/tool')).toBe('x');
    const broken = { install: { bundles: [{ targets: ['package://x'] }] } };
    await expect(
      installTargetBundles(host, broken, { oem: '/a', persistent: '/b' }, options()),
    ).rejects.toMatchObject({ code: 'BUNDLES_FAILED' });
    expect(host.mountLog.slice(-2)).toEqual(['unmount /usr/local', 'unmount /oem']);
  });

  test('at the first boot: what is installed is not asked for again, a failure is as fatal as the configuration says', async () => {
    const path = await image('b', { 'usr/local/tool': 'x' });
    const host = machine();
    expect(bundleTask(host, {}, options())).toBeUndefined();
    const config = { bundles: [{ targets: [`container://${path}`] }] };
    const task = bundleTask(host, config, options());
    await task?.run();
    expect([task?.fatal, read('usr/local/tool')]).toEqual([false, 'x']);
    // The source is gone: asking for it would fail.
    host.files.remove(path);
    await task?.run();
    expect(bundleTask(host, { ...config, fail_on_bundles_errors: true }, options())?.fatal).toBe(true);
  });
});
