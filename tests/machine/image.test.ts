import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import {
  cpSync,
  existsSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Host } from '@kairos/host/host';
import { machineHost } from '@kairos/host/machine';
import { bootstrapDebian } from '@kairos/image/acquire-root';
import { buildImage } from '@kairos/image/build';
import type { BuildRequest } from '@kairos/image/build-request';
import { checkRoot } from '@kairos/image/check/check';
import type { Definition } from '@kairos/image/definition';
import { syntheticElf } from '@kairos/image/initrd/synthetic-elf';
import { openWork } from '@kairos/image/work-directory';
import { findContainerImage, unpackImage } from '@kairos/oci/container-image';
import { openLayout } from '@kairos/oci/layout';
import { errorOf } from '../src/error-of.ts';
import { copyRoot, smallEpoch, smallKernel, writeSmallRoot } from '../src/small-root.ts';

const host = machineHost();
let shared: string;
let folder: string;
let root: string;
beforeAll(() => {
  shared = mkdtempSync(join(tmpdir(), 'image-shared-'));
  writeSmallRoot(join(shared, 'root'));
  writeFileSync(join(shared, 'executable'), 'the executable');
});
afterAll(() => rmSync(shared, { recursive: true, force: true }));
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'image-'));
  root = join(folder, 'root');
  copyRoot(join(shared, 'root'), root);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

interface More {
  readonly definition?: Definition;
  readonly request?: Partial<BuildRequest>;
  readonly work?: string;
  readonly host?: Host;
  readonly signal?: AbortSignal;
  readonly onStep?: (step: string) => void;
}
function build({
  definition = {},
  request = {},
  work = join(folder, 'work'),
  host: on = host,
  signal,
  onStep,
}: More = {}) {
  return buildImage(
    on,
    {
      definition: { base: `dir:${root}`, ...definition },
      directory: folder,
      output: join(folder, 'image'),
      executable: join(shared, 'executable'),
      ...request,
    },
    {
      cacheDirectory: join(folder, 'cache'),
      workDirectory: work,
      ...(signal === undefined ? {} : { signal }),
      ...(onStep === undefined ? {} : { onProgress: ({ step }) => onStep(step) }),
    },
  );
}

/** Nothing is there under the final name or beside it, and the directory for work is empty. */
function expectNothingLeft(work = join(folder, 'work')): void {
  expect(readdirSync(folder).filter((name) => /^\.?image/.test(name))).toEqual([]);
  expect(existsSync(work) ? readdirSync(work) : []).toEqual([]);
}

async function bootFiles(layout: string): Promise<Map<string, string>> {
  const source = openLayout(layout);
  const descriptor = source.index().manifests.find((each) => each.annotations?.['io.kairos.form'] === 'boot');
  if (descriptor === undefined) throw new Error('no boot form');
  const manifest = await source.manifest(descriptor);
  return new Map(
    manifest.layers.map((layer) => [
      layer.annotations?.['org.opencontainers.image.title'] ?? '',
      join(layout, 'blobs', layer.digest.replace(':', '/')),
    ]),
  );
}

async function unpacked(layout: string): Promise<string> {
  const image = await findContainerImage(openLayout(layout), { architecture: 'amd64' });
  if (image === undefined) throw new Error('no container form');
  const target = join(folder, 'unpacked');
  mkdirSync(target);
  await unpackImage(image, target);
  return target;
}

function listing(path: string): string {
  return Bun.spawnSync(['find', path, '-printf', '%P %y %m %s %T@ %l\\n']).stdout.toString();
}

describe('an image from a directory', () => {
  test('has both forms, and a root that verity guards', async () => {
    const before = listing(root);
    const result = await build();
    expect(listing(root)).toBe(before);
    const { manifest } = result;
    expect(manifest).toMatchObject({
      name: 'kairos-core-debian-13',
      kernel: smallKernel,
      init: 'systemd',
      filesystem: 'erofs',
      provenance: { base: 'dir', epoch: smallEpoch },
    });
    const files = await bootFiles(result.layout);
    expect([...files.keys()]).toEqual([
      'image.json',
      'vmlinuz',
      'initrd',
      'cmdline',
      'boot.cfg',
      'bootloader.tar',
      'root.img',
    ]);
    const file = (name: string) => files.get(name) ?? '';
    expect(JSON.parse(readFileSync(file('image.json'), 'utf8'))).toEqual(manifest);
    const cmdline = readFileSync(file('cmdline'), 'utf8');
    expect(cmdline).toStartWith(`kairos.verity=${manifest.verity.rootHash}:${manifest.verity.salt}:`);
    expect(readFileSync(file('boot.cfg'), 'utf8')).toBe(`set kairos_cmdline="${cmdline.trim()}"\n`);
    const { rootHash, dataBlocks } = manifest.verity;
    const verify = ['veritysetup', 'verify', file('root.img'), file('root.img'), rootHash] as const;
    await host.run([...verify, `--hash-offset=${dataBlocks * 4096}`]);
    await host.run(['fsck.erofs', file('root.img')]);
    const { stdout } = await host.run(['tar', '--list', '--file', file('bootloader.tar')]);
    expect(stdout.split('\n').filter((name) => name && !name.endsWith('/'))).toEqual([
      'bios/boot.img',
      'bios/boot_hybrid.img',
      'bios/core.img',
      'bios/eltorito.img',
      'efi/bootx64.efi',
      'grub-live.cfg',
      'grub.cfg',
    ]);

    const container = await unpacked(result.layout);
    expect(readFileSync(join(container, 'usr/bin/kairos-agent'), 'utf8')).toBe('the executable');
    expect(readFileSync(join(container, 'etc/machine-id'), 'utf8')).toBe('');
    expect(existsSync(join(container, 'etc/ssh/ssh_host_ed25519_key'))).toBe(false);
    expect(existsSync(join(container, 'system/oem/00_rootfs.yaml'))).toBe(true);
    expect(
      (await checkRoot(container)).filter(({ status }) => status === 'failed').map(({ message }) => message),
    ).toEqual([]);
  });

  test.each(['erofs', 'squashfs', 'ext4'] as const)(
    '%s: the same base and definition give the same digest',
    async (type) => {
      const definition: Definition = { filesystem: { type, compression: 'fast' }, version: 'v1.2.3' };
      const first = await build({ definition });
      const other = join(folder, 'elsewhere');
      mkdirSync(other);
      copyRoot(root, join(other, 'the-root'));
      const second = await build({
        definition: { ...definition, base: `dir:${join(other, 'the-root')}` },
        request: { output: join(other, 'image'), directory: other },
        work: join(other, 'work'),
      });
      expect(second.digest).toBe(first.digest);
      expect(readFileSync(join(other, 'image/index.json'), 'utf8')).toBe(
        readFileSync(join(folder, 'image/index.json'), 'utf8'),
      );
      const { rootHash, dataBlocks } = first.manifest.verity;
      const image = (await bootFiles(first.layout)).get('root.img') ?? '';
      await host.run(['veritysetup', 'verify', image, image, rootHash, `--hash-offset=${dataBlocks * 4096}`]);
    },
  );

  test('another definition gives another digest', async () => {
    const first = await build();
    const second = await build({ definition: { kernelArguments: ['quiet'] } });
    expect(second.digest).not.toBe(first.digest);
  });

  test('links that lead out of the root are not followed', async () => {
    const outside = join(folder, 'outside');
    mkdirSync(outside);
    rmSync(join(root, 'etc/ssh'), { recursive: true });
    writeFileSync(join(outside, 'ssh_host_rsa_key'), 'of the machine');
    symlinkSync(outside, join(root, 'etc/ssh'));
    symlinkSync(outside, join(root, 'system'));
    await build();
    expect(readdirSync(outside)).toEqual(['ssh_host_rsa_key']);
  });
});

test('the example of a component', async () => {
  const result = await build({
    definition: { components: [join(import.meta.dir, '../../examples/components/message-of-the-day')] },
  });
  const container = await unpacked(result.layout);
  const wants = 'usr/lib/systemd/system/multi-user.target.wants/message-of-the-day.service';
  expect(readFileSync(join(container, 'usr/lib/message-of-the-day/print'), 'utf8')).toContain('KAIROS_NAME');
  expect(existsSync(join(container, 'etc/init.d/message-of-the-day'))).toBe(false);
  expect(readdirSync(join(container, wants, '..'))).toContain('message-of-the-day.service');
  expect(readFileSync((await bootFiles(result.layout)).get('cmdline') ?? '', 'utf8')).toContain(
    'message-of-the-day=1',
  );
});

test('an image is a base for another', async () => {
  const first = await build();
  const second = await build({
    definition: { base: `oci:${first.layout}`, files: [{ path: '/etc/site', content: 'north' }] },
    request: { output: join(folder, 'image-2') },
  });
  expect(readFileSync(join(await unpacked(second.layout), 'etc/site'), 'utf8')).toBe('north');
});

describe('archives', () => {
  const tar = (...args: string[]) => {
    const archive = join(folder, 'root.tar');
    const { exitCode, stderr } = Bun.spawnSync(['tar', '--create', `--file=${archive}`, ...args]);
    if (exitCode !== 0) throw new Error(stderr.toString());
    return archive;
  };
  const whole = () => tar('--numeric-owner', '-C', root, '.');

  test('an archive gives the same file system as the directory it was made of', async () => {
    const fromDirectory = await build();
    const fromArchive = await build({ definition: { base: `tar:${whole()}` } });
    expect(fromArchive.manifest.verity.rootHash).toBe(fromDirectory.manifest.verity.rootHash);
  });

  test('a truncated one', async () => {
    const archive = whole();
    const bytes = readFileSync(archive);
    writeFileSync(archive, bytes.subarray(0, bytes.length / 2));
    const error = await errorOf(build({ definition: { base: `tar:${archive}` } }));
    expect(error).toMatchObject({ code: 'TAR_TRUNCATED', exit: 'corruptSource' });
    expectNothingLeft();
  });

  test.each([
    ['..', ['--transform=s,^etc/passwd,../escaped,', '-P', '-C'], 'etc/passwd', 'TAR_PATH_ESCAPES'],
    [
      'an absolute path',
      ['--transform=s,^etc/passwd,/tmp/escaped,', '-P', '-C'],
      'etc/passwd',
      'TAR_ABSOLUTE_PATH',
    ],
    ['a device', ['-C'], '/dev/null', 'TAR_DEVICE'],
  ])('an entry with %s', async (_name, options, path, code) => {
    const archive = path.startsWith('/dev')
      ? tar('--transform=s,^dev/null,etc/null,', '-C', '/', path.slice(1))
      : tar(...options, root, path);
    const error = await errorOf(build({ definition: { base: `tar:${archive}` } }));
    expect(error).toMatchObject({ code, exit: 'corruptSource' });
    expect(existsSync('/tmp/escaped')).toBe(false);
    expectNothingLeft();
  });
});

describe('what cannot be an image', () => {
  test.each([
    ['no kernel', ['boot', 'usr/lib/modules'], 'kernel', 'KERNEL_MISSING', 'unsuitableImage'],
    ['no modules', ['usr/lib/modules'], 'kernel', 'KERNEL_WITHOUT_MODULES', 'unsuitableImage'],
    ['no GRUB', ['usr/lib/grub'], 'bootloader', 'BOOTLOADER_MISSING', 'unsuitableImage'],
    ['no os-release', ['etc/os-release'], 'kernel', 'FLAVOR_NOT_DETECTED', 'unsuitableImage'],
    ['nothing at all', ['.'], 'kernel', 'BASE_NOT_FOUND', 'notFound'],
  ])('%s', async (_name, gone, part, code, exit) => {
    for (const path of gone) rmSync(join(root, path), { recursive: true, force: true });
    // Packages of what is missing would be installed: this part takes the place of the one that names them.
    const own = join(folder, 'own.yaml');
    writeFileSync(own, `name: own\ndescription: As the root has it\nprovides: ${part}\n`);
    const error = await errorOf(build({ definition: { components: [own] } }));
    expect(error).toMatchObject({ code, exit });
    expectNothingLeft();
  });

  test('no init', async () => {
    rmSync(join(root, 'usr/sbin/init'));
    rmSync(join(root, 'usr/lib/systemd/systemd'));
    const init = join(folder, 'init.yaml');
    writeFileSync(init, 'name: own-init\ndescription: Init of the root\nprovides: init\n');
    const error = await errorOf(build({ definition: { components: [init] } }));
    expect(error).toMatchObject({ code: 'INIT_MISSING', exit: 'unsuitableImage' });
    expectNothingLeft();
  });

  test('a build without root, whose files would belong to whoever builds', async () => {
    const error = await errorOf(build({ host: { ...host, uid: 1000 } }));
    expect({ code: error.code, exit: error.exit }).toEqual({ code: 'NOT_ROOT', exit: 'notPermitted' });
    expectNothingLeft();
  });

  test('an executable for another architecture, before packages are installed', async () => {
    const executable = join(folder, 'kairos');
    writeFileSync(executable, syntheticElf({ machine: 183, interpreter: '/lib/ld-linux-aarch64.so.1' }));
    const error = await errorOf(build({ request: { executable } }));
    expect(error.code).toBe('EXECUTABLE_UNSUITABLE');
    expectNothingLeft();
  });

  test('an unknown base', async () => {
    const error = await errorOf(build({ definition: { base: 'debain:13' } }));
    expect(error).toMatchObject({ code: 'BASE_UNKNOWN', exit: 'invalidInput' });
    expectNothingLeft();
  });
});

describe('a build that does not come to its end', () => {
  test('a full disk: says so and leaves nothing', async () => {
    const work = join(folder, 'small');
    mkdirSync(work);
    host.mount({ source: 'tmpfs', target: work, type: 'tmpfs', options: ['size=6m'] });
    try {
      const error = await errorOf(build({ work }));
      expect(error).toMatchObject({ code: 'NO_SPACE', exit: 'noSpace' });
      expectNothingLeft(work);
    } finally {
      host.unmount(work);
    }
  });

  test('a full disk of the output is the one that is named', async () => {
    const small = join(folder, 'small');
    mkdirSync(small);
    host.mount({ source: 'tmpfs', target: small, type: 'tmpfs', options: ['size=1m'] });
    try {
      const error = await errorOf(build({ request: { output: join(small, 'image') } }));
      expect(error).toMatchObject({ code: 'NO_SPACE', exit: 'noSpace' });
      expect(error.message).toMatch(new RegExp(`, ${small} has [\\d.]+ \\w+ free$`));
      expect(readdirSync(small)).toEqual([]);
      expectNothingLeft();
    } finally {
      host.unmount(small);
    }
  });

  test.each(['base', 'system', 'bootloader', 'filesystem', 'publish'])('interrupted at %s', async (when) => {
    const interrupt = new AbortController();
    const error = await errorOf(
      build({
        signal: interrupt.signal,
        onStep: (step) => {
          if (step === when) interrupt.abort();
        },
      }),
    );
    expect(error).toMatchObject({ code: 'INTERRUPTED', exit: 'interrupted' });
    expectNothingLeft();
  });

  test('an image that was there stays', async () => {
    const { layout } = await build();
    const index = readFileSync(join(layout, 'index.json'), 'utf8');
    rmSync(join(root, `usr/lib/modules/${smallKernel}`), { recursive: true });
    await errorOf(build({ definition: { withoutComponents: ['kernel'] } }));
    expect(readFileSync(join(layout, 'index.json'), 'utf8')).toBe(index);
    expect(readdirSync(folder).filter((name) => name.startsWith('.image'))).toEqual([]);
  });

  test('a bootstrap that is stopped leaves no mounts and no processes', async () => {
    const programs = join(folder, 'programs');
    mkdirSync(programs);
    // Does what mmdebstrap does in the middle: mounts into the root, and has somebody run in it.
    writeFileSync(
      join(programs, 'mmdebstrap'),
      `#!/bin/sh
mkdir -p "$TMPDIR/root/dev"
mount -t tmpfs none "$TMPDIR/root/dev"
echo kept > "$TMPDIR/root/dev/file"
setsid sleep 4242 &
echo "I: mounted" >&2
wait
`,
      { mode: 0o755 },
    );
    const path = process.env.PATH;
    process.env.PATH = `${programs}:${path}`;
    const controller = new AbortController();
    const work = join(folder, 'work');
    try {
      const bootstrap = bootstrapDebian(host, {
        ...{ suite: 'trixie', architecture: 'amd64', packages: [], mirror: 'http://localhost/debian' },
        ...{ cache: join(folder, 'cache'), work, signal: controller.signal },
        onLine: (line) => {
          if (line === 'mounted') controller.abort();
        },
      });
      expect((await errorOf(bootstrap)).exit).toBe('interrupted');
    } finally {
      process.env.PATH = path;
    }
    expect(host.mounts().filter(({ target }) => target.startsWith(folder))).toEqual([]);
    const running = readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .filter((name) => host.files.readTextIfAny(`/proc/${name}/cmdline`)?.includes('sleep\0' + '4242'));
    expect(running).toEqual([]);
    expect([readdirSync(work), readdirSync(join(folder, 'cache'))]).toEqual([[], []]);
  });

  test('what is mounted in a directory for work is not emptied with it', () => {
    const parent = join(folder, 'work');
    const work = openWork(host, parent);
    const source = join(folder, 'of-the-machine');
    const target = join(work.path, 'root/dev');
    for (const path of [source, target]) mkdirSync(path, { recursive: true });
    writeFileSync(join(source, 'null'), '');
    host.mount({ source, target, type: 'none', options: ['bind'] });
    work.remove();
    expect(readdirSync(source)).toEqual(['null']);
    expect(readdirSync(parent)).toEqual([]);
  });

  test('the next build removes what a killed one left', async () => {
    const dead = Bun.spawnSync(['true']);
    const left = join(folder, 'work', `image-${dead.pid}-01234567`);
    mkdirSync(left, { recursive: true });
    cpSync(join(root, 'etc'), join(left, 'root'), { recursive: true });
    await build();
    expect(existsSync(left)).toBe(false);
  });
});

test('dates later than SOURCE_DATE_EPOCH become it, earlier ones stay', async () => {
  lutimesSync(join(root, 'usr/share/data'), smallEpoch - 1000, smallEpoch - 1000);
  const { layout } = await build({ request: { epoch: smallEpoch - 500 } });
  const container = await unpacked(layout);
  const times = Bun.spawnSync(['stat', '-c', '%Y', 'usr/share/data', 'etc/passwd', 'usr/bin/kairos'], {
    cwd: container,
  });
  expect(times.stdout.toString().trim().split('\n').map(Number)).toEqual([
    smallEpoch - 1000,
    smallEpoch - 500,
    smallEpoch - 500,
  ]);
});
