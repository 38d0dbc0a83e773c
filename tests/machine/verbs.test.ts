/** Verbs of the agent on real mounts, with the compiled executable. Needs root. */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { runChrootStage } from '@kairos/agent/chroot-stage';
import {
  disableExtensionVerb,
  enableExtensionVerb,
  installExtensions,
  removeExtensionVerb,
} from '@kairos/agent/commands/extensions';
import { mergeExtensions } from '@kairos/agent/commands/merge-extensions';
import { openProviderBus } from '@kairos/agent/provider-bus';
import { hostArchitecture } from '@kairos/facts/architecture';
import { extensionKinds } from '@kairos/facts/extensions';
import { filesBelow } from '@kairos/host/files';
import type { Host } from '@kairos/host/host';
import { machineHost } from '@kairos/host/machine';
import { linkExtensions } from '@kairos/immucore/extensions';
import { createLayout } from '@kairos/oci/layout-writer';
import { writeTar } from '@kairos/oci/tar-write';
import { putContainer, streamOf } from '@kairos/oci/test-content';
import { buildExecutable, hostTarget } from '../../scripts/build.ts';
import { writeDiskImage, writeFilesystem, writeTree } from '../src/extension-images.ts';
import { executable } from '../src/images.ts';
import { type RegistryServer, startRegistry } from '../src/registry-server.ts';

// The machine may be busy; nothing here is timed.
setDefaultTimeout(120_000);

const host = machineHost();
const work = mkdtempSync(join(tmpdir(), 'verbs-'));
let warnings: string[];
beforeAll(async () => {
  if (!existsSync(executable)) await buildExecutable(hostTarget());
});
beforeEach(() => {
  warnings = [];
});
afterAll(() => {
  rmSync(work, { recursive: true, force: true });
});

function run(...argv: [string, ...string[]]): string {
  const { stdout, stderr, exitCode } = Bun.spawnSync(argv);
  if (exitCode !== 0) throw new Error(`${argv.join(' ')}: ${exitCode}: ${stdout}${stderr}`);
  return stdout.toString();
}

/** Copies a program and the libraries that it is linked with. */
function copyProgram(root: string, from: string, to: string): void {
  const libraries = [...run('ldd', from).matchAll(/(?:=> )?(\/\S+) \(0x/g)].map(([, path]) => path as string);
  for (const [source, target] of [[from, to], ...libraries.map((path) => [path, path])] as [
    string,
    string,
  ][]) {
    mkdirSync(dirname(join(root, target)), { recursive: true });
    copyFileSync(source, join(root, target));
  }
  chmodSync(join(root, to), 0o755);
}

describe('a stage in the system of a slot', () => {
  const slot = join(work, 'slot');
  const oem = join(work, 'oem');
  const persistent = join(work, 'persistent');
  beforeAll(() => {
    const root = join(work, 'root');
    for (const path of [
      'dev',
      'proc',
      'sys',
      'run',
      'tmp',
      'etc',
      'oem',
      'usr/local',
      'system/oem',
      'usr/sbin',
    ]) {
      mkdirSync(join(root, path), { recursive: true });
    }
    copyProgram(root, executable, '/usr/bin/kairos');
    symlinkSync('kairos', join(root, 'usr/bin/kairos-agent'));
    copyProgram(root, '/bin/sh', '/bin/sh');
    copyProgram(root, '/usr/bin/id', '/usr/bin/id');
    writeFileSync(join(root, 'etc/os-release'), 'ID=inside\nVERSION_ID=1\n');
    writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\n');
    writeFileSync(
      join(root, 'system/oem/a.yaml'),
      'stages: {after-upgrade-chroot: [{commands: ["echo image >/oem/of-the-image"]}]}\n',
    );
    for (const path of [slot, oem, persistent]) mkdirSync(path);
    run('mkfs.erofs', '--quiet', join(slot, 'root.img'), root);
  });

  const stage = (text: string) => {
    rmSync(join(oem, 'a.yaml'), { force: true });
    writeFileSync(join(oem, 'a.yaml'), `#cloud-config\nstages:\n  after-upgrade-chroot:\n${text}`);
    return runChrootStage(
      host,
      {
        ...{ kind: 'chroot-stage', stage: 'after-upgrade-chroot', slot },
        binds: [
          { from: oem, to: '/oem' },
          { from: persistent, to: '/usr/local' },
        ],
      },
      { signal: new AbortController().signal, extraPaths: [], warn: (message) => warnings.push(message) },
    );
  };
  const before = host.mounts();
  const nothingLeft = () => {
    expect(host.mounts()).toEqual(before);
    expect(run('losetup', '--list', '--noheadings', '--output', 'BACK-FILE')).not.toContain(work);
  };

  test('steps run there; what they write to OEM and the persistent partition is kept', async () => {
    await stage(
      '    - commands:\n        - . /etc/os-release; echo $ID >/oem/id\n        - echo data >/usr/local/data\n        - echo gone >/tmp/x; test -c /dev/null && test -d /proc/1 && test -d /sys/block && echo all >/oem/all\n',
    );
    expect(readFileSync(join(oem, 'id'), 'utf8')).toBe('inside\n');
    expect(readFileSync(join(oem, 'of-the-image'), 'utf8')).toBe('image\n');
    expect(readFileSync(join(oem, 'all'), 'utf8')).toBe('all\n');
    expect(readFileSync(join(persistent, 'data'), 'utf8')).toBe('data\n');
    expect(warnings).toEqual([]);
    nothingLeft();
  });

  test('what they write elsewhere is lost, and it is said what and where it stands', async () => {
    const digest = run('sha256sum', join(slot, 'root.img'));
    await stage('    - commands: [echo x >/etc/new]\n    - files: [{path: /usr/bin/tool, content: x}]\n');
    expect(warnings).toEqual([
      expect.stringMatching(
        /^after-upgrade-chroot \(\/system\/oem\/a\.yaml:1:\d+, \/oem\/a\.yaml:4:7, \/oem\/a\.yaml:5:7\) wrote \/etc\/new, \/usr\/bin\/tool, which is not kept:/,
      ),
    ]);
    expect(run('sha256sum', join(slot, 'root.img'))).toBe(digest);
    nothingLeft();
  });

  test('a failed step is an error with its place', async () => {
    await expect(stage('    - commands:\n        - "true"\n        - exit 7\n')).rejects.toMatchObject({
      code: 'STAGE_FAILED',
      exit: 'stageFailed',
      message: expect.stringMatching(/ran with 1 error: \/oem\/a\.yaml:6:11: .*exited with 7/),
    });
    nothingLeft();
  });

  test('an image that cannot be mounted is an error, and nothing is left', async () => {
    const kept = readFileSync(join(slot, 'root.img'));
    writeFileSync(join(slot, 'root.img'), Buffer.alloc(1 << 20));
    await expect(stage('    - commands: ["true"]\n')).rejects.toMatchObject({ code: 'TOOL_FAILED' });
    nothingLeft();
    writeFileSync(join(slot, 'root.img'), kept);
  });
});

test('the executable under the name of a plug-in that it does not know says so, and is reported', async () => {
  const directory = join(work, 'providers');
  mkdirSync(directory);
  symlinkSync(executable, join(directory, 'agent-provider-nobody'));
  const bus = openProviderBus(host, {
    searchPath: directory,
    warn: (message) => warnings.push(message),
  });
  const own = bus.providers.filter(({ path }) => path.startsWith(directory));
  expect(own.map(({ name }) => name)).toEqual(['agent-provider-nobody']);
  const { failures } = await bus.publish('agent.boot', { config: 'x'.repeat(100_000) });
  expect(failures.find(({ provider }) => provider === 'agent-provider-nobody')?.reason).toContain(
    'it exited with 2',
  );
  expect(readdirSync('/run/kairos-agent/payloads')).toEqual([]);
});

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

describe('install-bundle', () => {
  const folder = join(work, 'bundles');
  let registry: RegistryServer;
  beforeAll(async () => {
    mkdirSync(folder, { recursive: true });
    registry = await startRegistry(folder);
  });
  afterAll(() => registry.stop());

  /** Puts an image of these files into the registry, with skopeo. */
  async function push(name: string, files: Record<string, string>): Promise<string> {
    const entries = Object.entries(files).map(([path, text]) => {
      const content = Buffer.from(text);
      return {
        ...{ path, type: 'file' as const, mode: 0o755, uid: 0, gid: 0, modified: 0, size: content.length },
        content: streamOf(content),
      };
    });
    const chunks: Uint8Array[] = [];
    for await (const chunk of writeTar(entries)) chunks.push(chunk);
    const layout = createLayout(join(folder, name));
    layout.writeIndex([putContainer(layout, [Buffer.concat(chunks)], hostArchitecture())]);
    const reference = `${registry.address}/${name}:1`;
    run(
      ...(['skopeo', 'copy', '--quiet', '--insecure-policy', '--dest-tls-verify=false'] as const),
      ...[`oci:${join(folder, name)}`, `docker://${reference}`],
    );
    return reference;
  }

  /** Runs the executable where the root is read-only and `/usr/local` is not, as on a node. */
  function install(target: string, ...more: string[]) {
    const root = join(folder, 'root');
    mkdirSync(join(root, 'usr/local'), { recursive: true });
    mkdirSync(join(root, 'usr/bin'), { recursive: true });
    const script = [
      'set -e',
      'mount -t tmpfs tmpfs /usr/local',
      `mount --bind ${root} ${root}; mount -o remount,bind,ro ${root}; mount --bind ${folder}/data ${root}/usr/local`,
      '"$@" && cat /usr/local/.kairos/db/bundles.json',
    ].join('\n');
    const { exitCode, stdout, stderr } = Bun.spawnSync([
      ...['unshare', '--mount', 'sh', '-c', script, 'sh', executable, 'agent', 'install-bundle', target],
      ...['--root-path', root, ...more],
    ]);
    return { exitCode, stdout: stdout.toString(), stderr: stderr.toString() };
  }

  test('from a registry that speaks http, into what can be written, with a record', async () => {
    const reference = await push('tools', { 'usr/local/bin/tool': '#!/bin/sh\n' });
    const { exitCode, stdout, stderr } = install(`container://${reference}`, '--insecure');
    expect([exitCode, stderr]).toEqual([0, expect.stringContaining(`${reference}: installed`)]);
    expect(stdout).toStartWith(`container://${reference} is installed\n`);
    expect(JSON.parse(stdout.slice(stdout.indexOf('{')))).toMatchObject({
      bundles: [{ target: `container://${reference}`, digest: expect.stringMatching(/^sha256:/) }],
    });
    expect(readFileSync(join(folder, 'data/bin/tool'), 'utf8')).toBe('#!/bin/sh\n');
  });

  test('into the read-only system: refused before the first write, with its own exit code', async () => {
    const reference = await push('system', { 'usr/local/bin/second': 'x', 'usr/bin/tool': 'x' });
    const { exitCode, stderr } = install(`container://${reference}`, '--insecure');
    expect(exitCode).toBe(13);
    expect(stderr).toContain('read-only');
    expect(existsSync(join(folder, 'data/bin/second'))).toBe(false);
  });

  test('package:// is refused with the way out', () => {
    const { exitCode, stderr } = install('package://utils/x');
    expect([exitCode, stderr]).toEqual([10, expect.stringContaining('container://REPOSITORY:TAG')]);
  });
});

test('the units that an image gets are understood by systemd', () => {
  const root = join(work, 'units');
  const repository = join(import.meta.dir, '../..');
  const units = join(root, 'usr/lib/systemd/system');
  mkdirSync(units, { recursive: true });
  mkdirSync(join(root, 'usr/bin'), { recursive: true });
  const prompts = ['getty@.service', 'serial-getty@.service'];
  for (const name of readdirSync('/usr/lib/systemd/system')) {
    if (
      (/\.(target|slice|mount)$|^systemd-.*\.service$/.test(name) && !name.includes('@')) ||
      prompts.includes(name)
    ) {
      copyFileSync(join('/usr/lib/systemd/system', name), join(units, name));
    }
  }
  const shipped = readdirSync(join(repository, 'system/units')).filter((name) =>
    /\.(service|timer)$/.test(name),
  );
  expect(shipped).toContain('kairos-agent.service');
  for (const name of shipped) copyFileSync(join(repository, 'system/units', name), join(units, name));
  writeFileSync(join(root, 'usr/bin/kairos-agent'), '');
  chmodSync(join(root, 'usr/bin/kairos-agent'), 0o755);
  for (const [unit, source] of [
    ['systemd-sysext.service', 'extensions.conf'],
    ['getty-pre.target', 'login-prompt.conf'],
  ] as const) {
    mkdirSync(join(units, `${unit}.d`));
    copyFileSync(join(repository, 'system/units', source), join(units, `${unit}.d/10-kairos.conf`));
  }
  // The users of stage boot are there before anybody is asked for a name.
  for (const prompt of prompts) {
    expect(readFileSync(join(units, prompt), 'utf8')).toMatch(/^After=.*\bgetty-pre\.target\b/m);
  }
  const { stderr } = Bun.spawnSync(
    [
      'systemd-analyze',
      'verify',
      '--man=no',
      `--root=${root}`,
      '--recursive-errors=no',
      ...shipped,
      'systemd-sysext.service',
      'getty-pre.target',
    ],
    { env: { ...process.env, SYSTEMD_LOG_LEVEL: 'warning' } },
  );
  const ours = stderr
    .toString()
    .split('\n')
    .filter((line) => /kairos|cos-setup|extensions\.conf|10-kairos/.test(line));
  expect(ours).toEqual([]);
});

test('the init scripts that an image gets are understood by a shell', () => {
  const directory = join(import.meta.dir, '../../system/init.d');
  for (const kind of readdirSync(directory)) {
    for (const name of readdirSync(join(directory, kind))) {
      const path = join(directory, kind, name);
      expect([path, run('sh', '-n', path)]).toEqual([path, '']);
      expect([path, statSync(path).mode & 0o111]).toEqual([path, 0o111]);
    }
  }
});
