import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import {
  disableExtensionVerb,
  enableExtensionVerb,
  installExtensions,
  removeExtensionVerb,
} from '@kairos/agent/commands/extensions';
import { mergeExtensions } from '@kairos/agent/commands/merge-extensions';
import { hostArchitecture } from '@kairos/facts/architecture';
import { extensionKinds } from '@kairos/facts/extensions';
import { filesBelow } from '@kairos/host/files';
import type { Host } from '@kairos/host/host';
import { machineHost } from '@kairos/host/machine';
import { linkExtensions } from '@kairos/immucore/extensions';
import { createLayout } from '@kairos/oci/layout-writer';
import { writeTar } from '@kairos/oci/tar-write';
import { putContainer, streamOf } from '@kairos/oci/test-content';
import { writeDiskImage, writeFilesystem, writeTree } from '../src/extension-images.ts';
import { run } from '../src/run-tool.ts';

// The machine may be busy; nothing here is timed.
setDefaultTimeout(120_000);

const work = mkdtempSync(join(tmpdir(), 'extensions-'));
let warnings: string[];
beforeEach(() => {
  warnings = [];
});
afterAll(() => rmSync(work, { recursive: true, force: true }));

describe('extensions', () => {
  const node = join(work, 'node');
  const sources = join(work, 'extensions');
  const { store } = extensionKinds.sysext;
  /** Files below a folder, programs and mounts of the machine. */
  const real = machineHost();
  const machine: Host = {
    ...real,
    files: filesBelow(node),
    mount: (request) => real.mount({ ...request, target: join(node, request.target) }),
    unmount: (target, options) => real.unmount(join(node, target), options),
    run: (argv, options) => {
      if (argv[0] === 'systemctl' || argv[0] === 'systemd-sysext') {
        commands.push(argv.join(' '));
        return Promise.resolve({ stdout: '', stderr: '', code: 0 });
      }
      return real.run(argv, options);
    },
    which: (name) => (name === 'systemd-confext' ? '/usr/bin/systemd-confext' : real.which(name)),
  };
  const commands: string[] = [];
  const options = { warn: (message: string) => void warnings.push(message), tell: () => undefined };

  /** Writes the tree of an extension. */
  const tree = (name: string, release: string | undefined, more: Record<string, string> = {}): string =>
    writeTree(join(sources, `tree-${name}`), {
      [`usr/share/${name}/hello`]: `hello from ${name}\n`,
      ...(release === undefined
        ? {}
        : { [`usr/lib/extension-release.d/extension-release.${name}`]: release }),
      ...more,
    });
  const image = (name: string, kind: 'squashfs' | 'erofs' | 'ext4', from: string): string =>
    writeFilesystem(join(sources, `${name}.raw`), kind, from);
  const disk = (name: string, from: string, key?: string): string =>
    writeDiskImage(join(sources, `${name}.raw`), from, key === undefined ? {} : { key });

  const policy = (value: string) =>
    machine.files.write('/oem/policy.yaml', `#cloud-config\nextensions: {policy: ${value}}\n`);
  const install = (path: string, kind: 'sysext' | 'confext' = 'sysext') =>
    installExtensions(machine, `file:${path}`, { ...options, kind });
  const bring = (path: string): string => {
    machine.files.write(`/media/${basename(path)}`, readFileSync(path));
    return `/media/${basename(path)}`;
  };

  beforeAll(() => {
    mkdirSync(sources);
    machine.files.write('/etc/os-release', 'ID=debian\nVERSION_ID="13"\n');
    machine.files.write('/proc/cmdline', 'root=LABEL=COS_ACTIVE');
    for (const name of ['mine', 'other']) {
      run(
        ...([
          'openssl',
          'req',
          '-batch',
          '-new',
          '-x509',
          '-newkey',
          'rsa:2048',
          '-nodes',
          '-subj',
          `/CN=${name}`,
        ] as const),
        ...['-keyout', join(sources, `${name}.key`), '-out', join(sources, `${name}.crt`)],
      );
    }
    machine.files.write('/etc/verity.d/mine.crt', readFileSync(join(sources, 'mine.crt')));
  });
  beforeEach(() => {
    commands.length = 0;
    machine.files.remove('/oem');
    machine.files.remove(store);
    machine.files.remove('/run/extensions');
  });

  const fits = 'ID=debian\nVERSION_ID=13\n';

  test.each(['squashfs', 'erofs', 'ext4'] as const)(
    'a %s image is verified, kept, enabled and laid out',
    async (kind) => {
      const path = bring(image('hello', kind, tree('hello', fits)));
      expect(await install(path)).toEqual([{ name: 'hello.raw', proof: 'none' }]);
      expect(machine.files.list(store)).toEqual(['.seals', 'hello.raw']);
      expect(machine.files.status(`${store}/hello.raw`)?.mode).toBe(0o644);
      const now = await enableExtensionVerb(machine, {
        ...options,
        kind: 'sysext',
        name: 'hello',
        profile: 'active',
        now: true,
      });
      expect(now).toEqual({ name: 'hello.raw', changed: true, effective: 'now' });
      expect(commands).toEqual(['systemctl restart systemd-sysext.service']);
      expect(machine.files.readLink('/run/extensions/hello.raw')).toBe(`${store}/hello.raw`);
      const other = await enableExtensionVerb(machine, {
        ...options,
        kind: 'sysext',
        name: 'hello',
        profile: 'passive',
        now: true,
      });
      expect(other.effective).toBe('next start');
      expect(warnings).toEqual([expect.stringContaining('the running system was not started as passive')]);
      await disableExtensionVerb(machine, {
        ...options,
        kind: 'sysext',
        name: 'hello',
        profile: 'active',
        now: true,
      });
      expect(machine.files.list('/run/extensions')).toEqual([]);
      await removeExtensionVerb(machine, { ...options, kind: 'sysext', name: 'hello', now: false });
      expect(machine.files.list(`${store}/passive`)).toEqual([]);
    },
  );

  test('a partition of the kind usr is what is below /usr', async () => {
    const path = join(sources, 'usr.raw');
    const below = join(sources, 'tree-usr');
    writeTree(below, { 'lib/extension-release.d/extension-release.usr': fits });
    expect(await install(bring(writeDiskImage(path, below, { partition: 'usr' })))).toMatchObject([
      { name: 'usr.raw', proof: 'verity' },
    ]);
    // A tree from the root up in it, systemd would find nothing in.
    await expect(
      install(bring(writeDiskImage(path, tree('usr', fits), { partition: 'usr' }))),
    ).rejects.toMatchObject({ code: 'EXTENSION_INVALID' });
  });

  test("systemd's own program lays out what the boot links", async () => {
    await install(bring(image('hello', 'squashfs', tree('hello', 'ID=_any\n'))));
    await enableExtensionVerb(machine, {
      ...options,
      ...{ kind: 'sysext', name: 'hello', profile: 'common', now: false },
    });
    machine.files.write('/usr/lib/systemd/system/systemd-sysext.service', '');
    expect(linkExtensions(machine.files, 'active')).toEqual({ problems: [], note: '1 linked' });
    // This machine's own /usr/share is extended, in a mount namespace that ends with the shell.
    const script = [
      'set -e',
      'mount --make-rshared /; mount -t tmpfs tmpfs /run; mkdir /run/extensions',
      'mount -t tmpfs tmpfs /var/lib',
      `mkdir -p ${store}; mount --bind ${node}${store} ${store}; cp -P ${node}/run/extensions/* /run/extensions/`,
      'systemd-sysext merge; cat /usr/share/hello/hello; ls /usr/share/doc | head -1',
      'systemd-sysext unmerge',
    ].join('\n');
    const { stdout, stderr, exitCode } = Bun.spawnSync(['unshare', '--mount', 'sh', '-c', script], {
      env: { ...process.env, SYSTEMD_SYSEXT_HIERARCHIES: '/usr/share' },
    });
    expect(`${exitCode} ${stdout}${stderr}`).toStartWith('0 hello from hello\n');
    expect(existsSync('/usr/share/hello')).toBe(false);
  });

  test.each<[string, () => string, string, RegExp]>([
    [
      'for another version',
      () => image('v', 'squashfs', tree('v', 'ID=debian\nVERSION_ID=12\n')),
      'EXTENSION_UNSUITABLE',
      /it is for debian 12, this is 13/,
    ],
    [
      'without a release file',
      () => image('n', 'squashfs', tree('n', undefined)),
      'EXTENSION_INVALID',
      /it has no \/usr\/lib\/extension-release\.d\/extension-release\.n/,
    ],
    [
      'under another name',
      () => {
        const path = image('right', 'squashfs', tree('right', fits));
        renameSync(path, join(sources, 'wrong.raw'));
        return join(sources, 'wrong.raw');
      },
      'EXTENSION_INVALID',
      /but extension-release\.right/,
    ],
    [
      'that is a whole system',
      () => image('os', 'squashfs', tree('os', fits, { 'usr/lib/os-release': 'ID=x\n' })),
      'EXTENSION_INVALID',
      /a whole system and no extension/,
    ],
    [
      'that is no image',
      () => {
        writeFileSync(join(sources, 'text.raw'), 'x'.repeat(70_000));
        return join(sources, 'text.raw');
      },
      'EXTENSION_INVALID',
      /no known file system/,
    ],
    [
      'that is cut short',
      () => {
        const path = disk('cut', tree('cut', fits));
        run('truncate', '-s', '1200K', path);
        return path;
      },
      'EXTENSION_INVALID',
      /ends behind the end of the file/,
    ],
    [
      'with a name of two words',
      () => {
        const path = image('x', 'squashfs', tree('x', fits));
        renameSync(path, join(sources, 'a b.raw'));
        return join(sources, 'a b.raw');
      },
      'EXTENSION_NAME',
      /no name of an extension/,
    ],
  ])('an image %s is refused, and nothing is kept', async (_, make, code, message) => {
    await expect(install(bring(make()))).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
    expect(machine.files.list(store)).toEqual([]);
    expect(real.mounts().filter(({ target }) => target.startsWith(node))).toEqual([]);
  });

  test('the policy decides what an image has to prove', async () => {
    const plain = bring(image('plain', 'squashfs', tree('plain', fits)));
    const whole = bring(disk('whole', tree('whole', fits)));
    const signed = bring(disk('signed', tree('signed', fits), join(sources, 'mine')));
    const foreign = bring(disk('foreign', tree('foreign', fits), join(sources, 'other')));
    const outcome = (path: string) =>
      install(path).then(
        ([one]) => one?.proof,
        (error: { code: string }) => error.code,
      );
    const all = async () => [
      await outcome(plain),
      await outcome(whole),
      await outcome(signed),
      await outcome(foreign),
    ];
    expect(await all()).toEqual(['none', 'verity', 'signed', 'verity']);
    expect(warnings).toEqual([expect.stringContaining('The signature of foreign.raw is not good')]);
    policy('verity');
    expect(await all()).toEqual(['EXTENSION_UNPROVEN', 'verity', 'signed', 'verity']);
    policy('signed');
    expect(await all()).toEqual(['EXTENSION_UNPROVEN', 'EXTENSION_UNPROVEN', 'signed', 'SIGNATURE_INVALID']);
    await expect(
      enableExtensionVerb(machine, {
        ...options,
        kind: 'sysext',
        name: 'plain',
        profile: 'active',
        now: false,
      }),
    ).rejects.toMatchObject({ code: 'EXTENSION_UNPROVEN' });
    policy('singed');
    expect(await outcome(signed)).toBe('CONFIG_INVALID');
  });

  test('one flipped byte in the data of an image with a hash tree is found, signed or not', async () => {
    policy('signed');
    const path = disk('signed', tree('signed', fits), join(sources, 'mine'));
    const bytes = readFileSync(path);
    bytes[1 << 20] = (bytes[1 << 20] ?? 0) ^ 1;
    bytes[(1 << 20) + 200] = (bytes[(1 << 20) + 200] ?? 0) ^ 1;
    writeFileSync(path, bytes);
    // Its file system is still one by its first bytes, or not: both are refused.
    await expect(install(bring(path))).rejects.toMatchObject({
      code: expect.stringMatching(/VERITY_MISMATCH|EXTENSION_INVALID/),
    });
  });

  test.each([
    ['with a hash tree', disk, /^whole\.raw is damaged: block 0 of level 0 of its hash tree/],
    [
      'without one',
      (name: string, from: string) => image(name, 'squashfs', from),
      /^whole\.raw is not what was installed: it is sha256:/,
    ],
  ])('an image %s that is changed later is left out at the next start', async (_, make, reason) => {
    // Several blocks, compressed as they are: a tree of one block is its own root.
    const bytes = Buffer.from(crypto.getRandomValues(new Uint8Array(20_000))).toString('hex');
    await install(bring(make('whole', tree('whole', fits, { 'usr/share/whole/data': bytes }))));
    await install(bring(image('good', 'erofs', tree('good', fits))));
    for (const name of ['whole', 'good']) {
      await enableExtensionVerb(machine, {
        ...options,
        ...{ kind: 'sysext', name, profile: 'common', now: false },
      });
    }
    machine.files.write('/usr/lib/systemd/system/systemd-sysext.service', '');
    linkExtensions(machine.files, 'active');
    const merge = () => mergeExtensions(machine, { kind: 'sysext', warn: options.warn });
    const good = { kind: 'sysext', name: 'good.raw', status: 'merged' } as const;
    expect(await merge()).toEqual([good, { kind: 'sysext', name: 'whole.raw', status: 'merged' }]);
    const path = join(node, store, 'whole.raw');
    const content = readFileSync(path);
    // Behind the superblock, which still says squashfs.
    const at = content.indexOf('hsqs') + 100;
    content[at] = (content[at] ?? 0) ^ 1;
    writeFileSync(path, content);
    expect(await merge()).toEqual([
      good,
      { kind: 'sysext', name: 'whole.raw', status: 'refused', reason: expect.stringMatching(reason) },
    ]);
    expect(machine.files.list('/run/extensions')).toEqual(['good.raw']);
    expect(commands).toEqual(['systemd-sysext refresh', 'systemd-sysext refresh']);
    expect(real.mounts().filter(({ target }) => target.startsWith(node))).toEqual([]);
  });

  test('over http and https, from an image, with a digest', async () => {
    const path = image('web', 'squashfs', tree('web', fits));
    const content = readFileSync(path);
    using server = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      fetch(request) {
        const { pathname } = new URL(request.url);
        if (pathname === '/web.raw') return new Response(content);
        return new Response('no', { status: 404 });
      },
    });
    const url = `http://127.0.0.1:${server.port}/web.raw`;
    const get = (uri: string, digest?: string) =>
      installExtensions(machine, uri, {
        ...options,
        kind: 'sysext',
        ...(digest === undefined ? {} : { digest }),
      });
    expect(await get(url)).toEqual([{ name: 'web.raw', proof: 'none' }]);
    expect(warnings).toEqual([expect.stringContaining('--digest')]);
    const digest = `sha256:${createHash('sha256').update(content).digest('hex')}`;
    expect(await get(url, digest)).toHaveLength(1);
    await expect(
      get(
        url,
        digest.replace(/.$/, (last) => (last === '0' ? '1' : '0')),
      ),
    ).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' });
    await expect(get(`http://127.0.0.1:${server.port}/none.raw`)).rejects.toMatchObject({
      code: 'HTTP_STATUS',
      exit: 'notFound',
    });
    await expect(get(`http://127.0.0.1:${server.port}/a%20b.raw`)).rejects.toMatchObject({
      code: 'EXTENSION_NAME',
    });
    await expect(get('ftp://x/y.raw')).rejects.toMatchObject({ code: 'EXTENSION_URI' });

    const layout = createLayout(join(node, 'image'));
    const chunks: Uint8Array[] = [];
    const entry = {
      path: 'web.raw',
      type: 'file' as const,
      mode: 0o644,
      uid: 0,
      gid: 0,
      modified: 0,
      size: content.length,
    };
    for await (const chunk of writeTar([{ ...entry, content: streamOf(content) }])) chunks.push(chunk);
    layout.writeIndex([putContainer(layout, [Buffer.concat(chunks)], hostArchitecture())]);
    machine.files.remove(store);
    expect(await get('oci:/image')).toEqual([{ name: 'web.raw', proof: 'none' }]);
    expect(machine.files.sha256(`${store}/web.raw`)).toBe(digest.slice(7));
    expect(machine.files.list(store)).toEqual(['.seals', 'web.raw']);
  });

  test('a confext says for what it is in /etc', async () => {
    const path = tree('conf', undefined, {
      'etc/extension-release.d/extension-release.conf': 'ID=_any\n',
      'etc/conf': 'x',
    });
    const raw = bring(image('conf', 'squashfs', path));
    expect(await install(raw, 'confext')).toEqual([{ name: 'conf.raw', proof: 'none' }]);
    await expect(install(raw, 'sysext')).rejects.toMatchObject({ code: 'EXTENSION_INVALID' });
  });
});
