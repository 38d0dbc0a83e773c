import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  setDefaultTimeout,
  test,
} from 'bun:test';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { checkConfigWithImage } from '@kairos/agent/new-image-check';
import { KairosError } from '@kairos/facts/errors';
import { imageManifestSchema } from '@kairos/facts/image-manifest';
import { mediaTypes } from '@kairos/facts/media-types';
import { MiB } from '@kairos/facts/size';
import type { Host } from '@kairos/host/host';
import { putBootForm } from '@kairos/image/publish';
import { openLayout } from '@kairos/oci/layout';
import { createLayout } from '@kairos/oci/layout-writer';
import { pushImage } from '@kairos/oci/push';
import { parseReference } from '@kairos/oci/reference';
import { openRegistry } from '@kairos/oci/registry';
import { errorOf } from '../src/error-of.ts';
import { type Passing, type PassOptions, startFaultProxy } from '../src/fault-proxy.ts';
import { executable } from '../src/images.ts';
import {
  bootedFrom,
  installOn,
  type SyntheticImage,
  slotsOf,
  upgradeNode,
  withState,
  writeImage,
} from '../src/installed-node.ts';
import { LoopDisk, lookInside, machineWithVfat } from '../src/loop-disk.ts';
import { type RegistryServer, startRegistry } from '../src/registry-server.ts';
import { sharedRegistry } from '../src/shared-registry.ts';
import {
  makeKey,
  type SigningKey,
  signBytes,
  simplePayload,
  writeBundle,
  writeSignature,
} from '../src/sign-image.ts';

setDefaultTimeout(120_000);

const machine = machineWithVfat();
const password = 'correct horse';
const registry = sharedRegistry('sources');
const shared = registry.folder;
let locked: RegistryServer;
let first: SyntheticImage;
let second: SyntheticImage;
/** A disk on which the first image is installed, to be copied. */
let template: string;

const push = (layout: string, server: Pick<RegistryServer, 'address'>, name: string) =>
  pushImage(openLayout(layout), parseReference(`${server.address}/${name}`));

beforeAll(async () => {
  first = await writeImage(shared, 'v1');
  second = await writeImage(shared, 'v2', { rootSize: 12 * MiB });
  await push(second.layout, registry, 'kairos/os:v2');
  using disk = new LoopDisk(shared, 1024 * MiB);
  await installOn(machine, disk, first.slot, shared);
  template = join(shared, 'template.img');
  Bun.spawnSync(['sync', '--file-system', disk.device]);
  Bun.spawnSync(['blockdev', '--flushbufs', disk.device]);
  Bun.spawnSync(['cp', '--sparse=always', disk.file, template]);
});
afterAll(() => locked?.stop());

let folder: string;
let disk: LoopDisk;
let host: Host;
beforeEach(() => {
  folder = mkdtempSync(join(shared, 'test-'));
  disk = new LoopDisk(folder, 1024 * MiB, template);
  host = bootedFrom(machine, disk.device, 'ACTIVE', first.rootHash);
});
afterEach(() => {
  disk[Symbol.dispose]();
  rmSync(folder, { recursive: true, force: true });
  // A test that leaves a mount has to be seen, not swept up.
  expect(machine.mounts().filter(({ target }) => /^\/run\/(cos|initramfs)/.test(target))).toEqual([]);
});

type UpgradeArguments = Parameters<typeof upgradeNode> extends [Host, ...infer Rest] ? Rest : never;
const upgrade = (...given: UpgradeArguments) => withState(disk.device, () => upgradeNode(host, ...given));
const upgraded = { active: 'v2', passive: 'v1' };
const before = { active: 'v1', passive: 'v1' };

describe('an image comes from', () => {
  const archive = () => {
    const path = join(shared, 'image.tar');
    const made = Bun.spawnSync([
      'tar',
      '-C',
      second.layout,
      '-cf',
      path,
      'oci-layout',
      'index.json',
      'blobs',
    ]);
    expect(made.exitCode).toBe(0);
    return path;
  };
  const digest = () =>
    JSON.parse(readFileSync(join(second.layout, 'index.json'), 'utf8')).manifests[0].digest as string;
  test.each<[string, () => string]>([
    ['a registry', () => `oci:${registry.address}/kairos/os:v2`],
    ['a registry, docker: and //', () => `docker://${registry.address}/kairos/os:v2`],
    ['a registry, bare, by the digest of the boot form', () => `${registry.address}/kairos/os@${digest()}`],
    ['an archive', () => `ocifile:${archive()}`],
    ['an archive, file:', () => `file:${archive()}`],
    ['a layout', () => `oci:${second.layout}`],
    ['the files of a slot', () => `dir:${second.slot}`],
  ])('%s', async (_, source) => {
    const { upgraded: done, plan } = await upgrade(source());
    expect([done, plan.image.version, plan.image.source]).toEqual([true, 'v2', source()]);
    expect(slotsOf(disk)).toEqual(upgraded);
  });

  test('what the configuration names, in a registry that asks for a password', async () => {
    locked ??= await startRegistry(join(shared, 'locked'), { login: ['node', password] });
    const auth = Buffer.from(`node:${password}`).toString('base64');
    await pushImage(openLayout(second.layout), parseReference(`${locked.address}/os:latest`), {
      credentials: { find: async () => ({ kind: 'password', username: 'node', password }) },
    });
    const config = '/run/initramfs/live/90_source.yaml';
    mkdirSync('/run/initramfs/live', { recursive: true });
    writeFileSync(config, `#cloud-config\nupgrade: {system: {source: "oci:${locked.address}/os"}}\n`);
    const file = join(folder, 'auth.json');
    const named = process.env.REGISTRY_AUTH_FILE;
    process.env.REGISTRY_AUTH_FILE = file;
    try {
      writeFileSync(file, '{"auths":{}}');
      const refused = await errorOf(upgrade(undefined));
      expect([refused.code, refused.exitCode]).toEqual(['REGISTRY_UNAUTHORIZED', 20]);
      expect(refused.message).toStartWith(`${locked.address} refuses access to os (401)`);
      expect(refused.hint).toContain('podman login');
      expect(slotsOf(disk)).toEqual(before);
      writeFileSync(file, JSON.stringify({ auths: { [locked.address]: { auth } } }));
      await upgrade(undefined);
    } finally {
      if (named === undefined) delete process.env.REGISTRY_AUTH_FILE;
      else process.env.REGISTRY_AUTH_FILE = named;
      rmSync(config);
    }
    expect(slotsOf(disk)).toEqual(upgraded);
  });
});

describe('between the node and the registry:', () => {
  const isBlob = ({ url }: Passing) => url.pathname.includes('/blobs/');
  /** What happens to answers that are longer than 5 MiB: only root.img is. */
  const toRoot = (options: PassOptions) => (passing: Passing) => {
    const digest = JSON.parse(String(second.files.get('image.json'))).files['root.img'].digest;
    passing.pass(passing.url.pathname.endsWith(digest) ? options : undefined);
  };
  const reference = (address: string, name = 'kairos/os:v2') => `oci:${address}/${name}`;

  async function through(fault: (passing: Passing) => void, work: (source: string) => Promise<void>) {
    const proxy = await startFaultProxy(registry.address, fault);
    try {
      await work(reference(proxy.address));
    } finally {
      await proxy.stop();
    }
    return proxy;
  }

  test.each<[string, (passing: Passing) => void, string, number, RegExp]>([
    [
      'a stream that always ends early',
      (passing) =>
        passing.pass(
          isBlob(passing) && passing.headers.range
            ? { cut: { after: 0, how: 'break' } }
            : { cut: { after: 5 * MiB, how: 'break' } },
        ),
      'REGISTRY_UNREACHABLE',
      20,
      /^127\.0\.0\.1:\d+ cannot be reached or broke off/,
    ],
    [
      'a server that stalls',
      (passing) =>
        passing.pass(
          isBlob(passing)
            ? { cut: { after: passing.headers.range ? 0 : 3 * MiB, how: 'silence' } }
            : undefined,
        ),
      'REGISTRY_STALLED',
      20,
      /sends nothing for 0\.5 s$/,
    ],
    [
      'a flipped bit',
      toRoot({ flip: 9 * MiB }),
      'SLOT_DIFFERS',
      12,
      /^root\.img of oci:\S+ is not what image\.json says: its digest is sha256:\w+ and should be sha256:/,
    ],
    [
      'a registry that is overloaded',
      (passing) => (isBlob(passing) ? passing.answer(503, { 'retry-after': '0' }) : passing.pass()),
      'REGISTRY_BUSY',
      20,
      /answers 503$/,
    ],
    [
      'a blob that is not there',
      (passing) => {
        const digest = JSON.parse(String(second.files.get('image.json'))).files['root.img'].digest;
        if (passing.url.pathname.endsWith(digest)) passing.answer(404);
        else passing.pass();
      },
      'BLOB_MISSING',
      12,
      /does not hold blob sha256:/,
    ],
  ])('%s', async (_, fault, code, exit, message) => {
    await through(fault, async (source) => {
      const error = await errorOf(upgrade(source));
      expect([error.code, error.exitCode]).toEqual([code, exit]);
      expect(error.message).toMatch(message);
      // The old state is whole, and what was begun is no slot.
      expect(slotsOf(disk)).toEqual(
        code === 'REGISTRY_BUSY' ? before : { ...before, transition: 'unfinished' },
      );
    });
    await upgrade(reference(registry.address));
    expect(slotsOf(disk)).toEqual(upgraded);
  });

  test('a server without Range, which cuts once: the rest is taken from the whole', async () => {
    let times = 0;
    const digest = JSON.parse(String(second.files.get('image.json'))).files['root.img'].digest;
    const proxy = await through(
      (passing) => {
        delete passing.headers.range;
        const isRoot = passing.url.pathname.endsWith(digest);
        passing.pass(isRoot && times++ === 0 ? { cut: { after: 5 * MiB, how: 'break' } } : {});
      },
      async (source) => {
        await upgrade(source);
      },
    );
    expect(slotsOf(disk)).toEqual(upgraded);
    expect(proxy.log.filter((line) => line.includes(digest)).length).toBe(2);
  });

  test('the registry goes away, and the next run asks for the rest only', async () => {
    const size = 12 * MiB;
    const digest = JSON.parse(String(second.files.get('image.json'))).files['root.img'].digest;
    const gone = await startFaultProxy(registry.address, (passing) =>
      passing.pass(passing.url.pathname.endsWith(digest) ? { cut: { after: 9 * MiB, how: 'silence' } } : {}),
    );
    let stopping: Promise<void> | undefined;
    const error = await errorOf(
      upgrade(reference(gone.address), {
        onProgress({ step, done }) {
          if (step === 'copy' && (done ?? 0) > 12 * MiB) stopping ??= gone.stop();
        },
      }),
    );
    await stopping;
    expect([error.code, error.exitCode]).toEqual(['REGISTRY_UNREACHABLE', 20]);
    const kept = lookInside(disk.partition(5), (root) =>
      readdirSync(join(root, 'cOS/transition'))
        .filter((name) => name.endsWith('.partial'))
        .map((name) => statSync(join(root, 'cOS/transition', name)).size),
    );
    expect(kept.length).toBe(1);
    expect(kept[0]).toBeWithin(6 * MiB, 9 * MiB + 1);
    const proxy = await through(
      (passing) => passing.pass(),
      async (source) => {
        const { plan } = await upgrade(source);
        expect(plan.steps.find(({ kind }) => kind === 'copy-image')).toMatchObject({
          partial: { 'root.img': kept[0] },
        });
      },
    );
    expect(slotsOf(disk)).toEqual(upgraded);
    const asked = proxy.log.filter((line) => line.includes(digest));
    expect(asked).toEqual([`GET /v2/kairos/os/blobs/${digest} bytes=${kept[0]}-`]);
    const others = [...second.files].reduce(
      (sum, [name, { length }]) =>
        sum + (['image.json', 'bootloader.tar', 'vmlinuz'].includes(name) ? length : 0),
      0,
    );
    // The rest of root.img, and what follows it or is read before the plan.
    expect(proxy.blobBytes()).toBeWithin(size - (kept[0] ?? 0), size - (kept[0] ?? 0) + others + 2000);
  });

  test('a beginning that is not the beginning costs a download, not the upgrade', async () => {
    const digest = JSON.parse(String(second.files.get('image.json'))).files['root.img'].digest as string;
    const target = join(folder, 'mnt');
    mkdirSync(target);
    Bun.spawnSync(['mount', disk.partition(5), target]);
    mkdirSync(join(target, 'cOS/transition'));
    writeFileSync(join(target, `cOS/transition/root.img.${digest.slice(7, 23)}.partial`), Buffer.alloc(MiB));
    Bun.spawnSync(['umount', target]);
    const proxy = await through(
      (passing) => passing.pass(),
      async (source) => void (await upgrade(source)),
    );
    expect(proxy.log.filter((line) => line.includes(digest)).map((line) => line.split(' ')[2])).toEqual([
      `bytes=${MiB}-`,
      undefined,
    ]);
    expect(slotsOf(disk)).toEqual(upgraded);
  });

  test.each(['SIGINT', 'SIGKILL'] as const)(
    '%s in the middle, and the next run asks for the rest',
    async (signal) => {
      const digest = JSON.parse(String(second.files.get('image.json'))).files['root.img'].digest as string;
      const slow = await startFaultProxy(registry.address, (passing) =>
        passing.pass(
          passing.url.pathname.endsWith(digest) ? { cut: { after: 10 * MiB, how: 'silence' } } : {},
        ),
      );
      const child = Bun.spawn(
        [
          process.execPath,
          join(import.meta.dir, '../src/upgrade-worker.ts'),
          ...[disk.device, first.rootHash, reference(slow.address)],
        ],
        { stdin: 'ignore', stdout: 'ignore', stderr: 'pipe' },
      );
      const kept = () => {
        try {
          const place = '/run/initramfs/cos-state/cOS/transition';
          const name = readdirSync(place).find((one) => one.endsWith('.partial'));
          return name === undefined ? 0 : statSync(join(place, name)).size;
        } catch {
          return 0;
        }
      };
      while (kept() < 4 * MiB && child.exitCode === null) await Bun.sleep(2);
      child.kill(signal);
      const [stderr] = await Promise.all([new Response(child.stderr).text(), child.exited]);
      await slow.stop();
      if (signal === 'SIGINT') expect(stderr).toContain('INTERRUPTED');
      else {
        // The kernel frees the lock; mounts of a killed process stay, as they would on the node.
        for (const place of ['/run/cos/efi', '/run/cos/oem', '/run/cos/persistent', '/run/cos/recovery']) {
          Bun.spawnSync(['umount', place], { stderr: 'ignore' });
        }
        Bun.spawnSync(['umount', '/run/initramfs/cos-state']);
      }
      expect(slotsOf(disk)).toEqual({ ...before, transition: 'unfinished' });
      const proxy = await through(
        (passing) => passing.pass(),
        async (source) => void (await upgrade(source)),
      );
      expect(slotsOf(disk)).toEqual(upgraded);
      const [line = ''] = proxy.log.filter((one) => one.includes(digest));
      const from = Number(/bytes=(\d+)-$/.exec(line)?.[1]);
      expect(from).toBeGreaterThanOrEqual(4 * MiB);
    },
  );
});

/** A root with the agent as it is now and what it needs to run. */
function rootWithAgent(): Buffer {
  const root = join(folder, 'root');
  for (const name of [
    'usr/bin',
    'usr/local',
    'usr/lib',
    'lib64',
    'proc',
    'dev',
    'oem',
    'etc',
    'run',
    'tmp',
  ]) {
    mkdirSync(join(root, name), { recursive: true });
  }
  symlinkSync('usr/lib', join(root, 'lib'));
  copyFileSync(executable, join(root, 'usr/bin/kairos-agent'));
  const libraries = Bun.spawnSync(['ldd', executable]).stdout.toString();
  for (const [path] of libraries.matchAll(/\/[\w./+-]+\.so[\w.]*/g)) {
    mkdirSync(join(root, path, '..'), { recursive: true });
    copyFileSync(path, join(root, path));
  }
  const image = join(folder, 'root.img');
  const made = Bun.spawnSync(['mkfs.erofs', '-E', 'force-inode-compact', image, root]);
  if (made.exitCode !== 0) throw new Error(made.stderr.toString());
  return readFileSync(image);
}

test('the agent of the new image refuses a configuration that it does not take', async () => {
  disk[Symbol.dispose]();
  disk = new LoopDisk(folder, 4096 * MiB);
  await installOn(machine, disk, first.slot, folder);
  host = bootedFrom(machine, disk.device, 'ACTIVE', first.rootHash);
  const image = await writeImage(folder, 'v3', { root: rootWithAgent() });
  await push(image.layout, registry, 'kairos/os:v3');
  mkdirSync('/oem', { recursive: true });
  Bun.spawnSync(['mount', '-t', 'tmpfs', 'tmpfs', '/oem']);
  const parts = { checkConfig: checkConfigWithImage };
  const proxy = await startFaultProxy(registry.address, (passing) => passing.pass());
  const source = `oci:${proxy.address}/kairos/os:v3`;
  try {
    writeFileSync('/oem/90_custom.yaml', '#cloud-config\ninstall: {nousers: true}\ngrowpart: {devices: 7}\n');
    const error = await errorOf(upgrade(source, {}, {}, parts));
    expect([error.code, error.exitCode]).toEqual(['CONFIG_INVALID_FOR_IMAGE', 10]);
    expect(error.message).toMatch(
      /^The new image does not take the configuration of this node:\n\/oem\/90_custom\.yaml:3:\d+: /,
    );
    // All that is left is the copy, without which the next run would fetch it again.
    expect(slotsOf(disk)).toEqual({ ...before, transition: 'v3' });
    const fetched = proxy.blobBytes();
    writeFileSync('/oem/90_custom.yaml', '#cloud-config\ninstall: {nousers: true}\n');
    writeFileSync('/oem/91_plain.yaml', 'hostname: node\n');
    const { warnings } = await upgrade(source, {}, {}, parts);
    expect(
      warnings.filter((warning) => warning.startsWith('For the new image: /oem/91_plain.yaml:1:')),
    ).toHaveLength(1);
    expect(slotsOf(disk)).toEqual({ active: 'v3', passive: 'v1' });
    // Only what is read for the plan.
    expect(proxy.blobBytes() - fetched).toBeLessThan(200_000);
    writeFileSync('/oem/90_custom.yaml', '#cloud-config\ninstall: {nousers: true}\ngrowpart: {devices: 7}\n');
    const forced = await upgrade(source, { force: true }, {}, parts);
    expect(forced.warnings.some((warning) => /^For the new image: .*growpart/.test(warning))).toBe(true);
  } finally {
    Bun.spawnSync(['umount', '/oem']);
    await proxy.stop();
  }
});

test('an image whose agent cannot be run is a warning', async () => {
  const { warnings, upgraded: done } = await upgrade(
    `oci:${registry.address}/kairos/os:v2`,
    {},
    {},
    { checkConfig: checkConfigWithImage },
  );
  expect(done).toBe(true);
  expect(
    warnings.filter((warning) => warning.startsWith('The configuration could not be checked')),
  ).toHaveLength(1);
});

describe('signatures', () => {
  const configuration = '/run/initramfs/live/91_signature.yaml';
  let key: SigningKey;
  const want = (text: string) => {
    mkdirSync('/run/initramfs/live', { recursive: true });
    writeFileSync(configuration, `#cloud-config\n${text}\n`);
  };
  beforeEach(() => {
    key = makeKey(folder, 'cosign');
    want(`verify: true\ncosign-key: ${key.public}`);
  });
  afterEach(() => rmSync(configuration, { force: true }));
  const reference = (name: string) => `oci:${registry.address}/${name}`;
  /** Pushes the image under a name of its own; gives the digest that the tag stands for. */
  async function pushed(name: string): Promise<string> {
    await push(second.layout, registry, name);
    const found = openRegistry(parseReference(`${registry.address}/${name}`));
    try {
      return (await found.resolve()).digest;
    } finally {
      found.close();
    }
  }
  async function signed(name: string, by: SigningKey): Promise<void> {
    const digest = await pushed(`${name}:v2`);
    const payload = simplePayload(digest);
    const layout = join(folder, `signature-${by.public.split('/').at(-1)}`);
    writeSignature(layout, digest, payload, signBytes(payload, by));
    await push(layout, registry, `${name}:${digest.replace(':', '-')}.sig`);
  }

  test('none is refused before anything is written', async () => {
    await pushed('unsigned/os:v2');
    const error = await errorOf(upgrade(reference('unsigned/os:v2')));
    expect([error.code, error.exitCode]).toEqual(['SIGNATURE_MISSING', 13]);
    expect(slotsOf(disk)).toEqual(before);
    const local = await errorOf(upgrade(`dir:${second.slot}`));
    expect(local.code).toBe('SIGNATURE_MISSING');
  });

  test.each(['P-256', 'ed25519'] as const)('one by the key, %s, lets it pass', async (kind) => {
    key = makeKey(folder, 'cosign', kind);
    await signed(`signed-${kind.toLowerCase().replace('-', '')}/os`, key);
    await upgrade(reference(`signed-${kind.toLowerCase().replace('-', '')}/os:v2`));
    expect(slotsOf(disk)).toEqual(upgraded);
  });

  test('one by another key is refused', async () => {
    await signed('foreign/os', makeKey(folder, 'foreign'));
    const error = await errorOf(upgrade(reference('foreign/os:v2')));
    expect([error.code, error.exitCode]).toEqual(['SIGNATURE_INVALID', 12]);
    expect(slotsOf(disk)).toEqual(before);
  });

  test('a bundle that refers to the image, in a registry that does not list referrers', async () => {
    const digest = await pushed('bundle/os:v2');
    const layout = join(folder, 'bundle');
    writeBundle(layout, digest, key);
    // The tag of the referrers holds an index.
    const [descriptor] = openLayout(layout).index().manifests;
    const index = JSON.stringify({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.index.v1+json',
      manifests: [descriptor],
    });
    await push(layout, registry, 'bundle/os:manifest');
    const put = await fetch(`http://${registry.address}/v2/bundle/os/manifests/${digest.replace(':', '-')}`, {
      method: 'PUT',
      headers: { 'content-type': 'application/vnd.oci.image.index.v1+json' },
      body: index,
    });
    expect(put.status).toBe(201);
    await upgrade(reference('bundle/os:v2'));
    expect(slotsOf(disk)).toEqual(upgraded);
  });

  test.each<[string, string, number]>([
    ['verify: true', 'SIGNATURE_KEY_MISSING', 10],
    ['cosign-key: /nowhere/cosign.pub', 'SIGNATURE_KEY_MISSING', 11],
    ['cosign-key: awskms://key', 'SIGNATURE_KEY_INVALID', 10],
    ['cosign-key: /etc/hostname', 'SIGNATURE_KEY_INVALID', 10],
  ])('%s is refused', async (text, code, exit) => {
    want(text);
    const error = await errorOf(upgrade(reference('kairos/os:v2')));
    expect([error.code, error.exitCode]).toEqual([code, exit]);
  });
});

describe('refused before a byte is written:', () => {
  const untouched = () => Bun.spawnSync(['sha256sum', disk.partition(5)]).stdout.toString();
  async function refused(source: string, code: string, exit: number, message: RegExp) {
    const digest = untouched();
    const error = await errorOf(upgrade(source));
    expect([error.code, error.exitCode]).toEqual([code, exit]);
    expect(error.message).toMatch(message);
    expect(untouched()).toBe(digest);
    return error;
  }
  test('another architecture', async () => {
    const image = await writeImage(folder, 'arm', { architecture: 'arm64' });
    await push(image.layout, registry, 'kairos/os:arm');
    const source = `oci:${registry.address}/kairos/os:arm`;
    await refused(source, 'WRONG_ARCHITECTURE', 13, /kairos\/os:arm is for arm64, not for amd64$/);
  });
  test('what is no operating system', async () => {
    const path = join(folder, 'none');
    const writer = createLayout(path);
    const config = writer.putBlob(Buffer.from('{}'), 'application/vnd.oci.empty.v1+json');
    const manifest = {
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config,
      layers: [],
    };
    writer.writeIndex([writer.putJson(manifest, 'application/vnd.oci.image.manifest.v1+json')]);
    await push(path, registry, 'none:latest');
    await refused(`${registry.address}/none`, 'NO_BOOT_FORM', 13, /holds no image$/);
  });
  test('what is not there', async () => {
    const source = `oci:${registry.address}/kairos/os:v99`;
    await refused(source, 'IMAGE_NOT_FOUND', 11, /^There is no 127\.0\.0\.1:\d+\/kairos\/os:v99$/);
  });
  test('more than there is room for', async () => {
    const size = 400 * MiB;
    const path = join(folder, 'large');
    const image = await writeImage(path, 'v9', { rootSize: 8 * MiB });
    // Only the documents say how large it is; nobody will ask for the bytes.
    const manifest = imageManifestSchema.parse(JSON.parse(String(image.files.get('image.json'))));
    const root = { size: 2 * size, digest: `sha256:${'0'.repeat(64)}` };
    const writer = createLayout(join(path, 'layout'));
    const files = new Map(
      [...image.files].flatMap(([name, bytes]) =>
        name === 'image.json'
          ? []
          : [
              [
                name,
                name === 'root.img'
                  ? { mediaType: mediaTypes.bootFile, ...root }
                  : writer.putBlob(bytes, mediaTypes.bootFile),
              ] as const,
            ],
      ),
    );
    const changed = { ...manifest, files: { ...manifest.files, 'root.img': root } };
    writer.writeIndex([putBootForm(writer, changed, files)]);
    const error = await refused(
      `oci:${join(path, 'layout')}`,
      'NO_SPACE',
      17,
      /needs 80\d\.\d MiB on COS_STATE, which has \d/,
    );
    expect(error.details).toMatchObject({ partition: 'COS_STATE' });
  });
});

test('a partition that fills up while the image comes: the old state is whole, and nothing is left', async () => {
  const filler = '/run/initramfs/cos-state/filler';
  let filled = false;
  const error = await errorOf(
    upgrade(`oci:${registry.address}/kairos/os:v2`, {
      onProgress({ step, done }) {
        if (step !== 'copy' || filled || (done ?? 0) < 2 * MiB) return;
        filled = true;
        Bun.spawnSync(['dd', 'if=/dev/zero', `of=${filler}`, 'bs=1M'], { stderr: 'ignore' });
      },
    }),
  );
  expect([error.code, error.exitCode]).toEqual(['NO_SPACE', 17]);
  expect(error.message).toMatch(/^No space left for \S+\/root\.img: \d.* of 12\.0 MiB are missing$/);
  const target = join(folder, 'mnt');
  mkdirSync(target);
  Bun.spawnSync(['mount', disk.partition(5), target]);
  const left = readdirSync(join(target, 'cOS/transition')).filter((name) => name.startsWith('root'));
  rmSync(join(target, 'filler'));
  Bun.spawnSync(['umount', target]);
  expect(left).toEqual([]);
  expect(slotsOf(disk)).toEqual({ ...before, transition: 'unfinished' });
  await upgrade(`oci:${registry.address}/kairos/os:v2`);
  expect(slotsOf(disk)).toEqual(upgraded);
});

test.each<[string, (step: string, message: string) => boolean, 'may need room' | 'needs none']>([
  ['before the journal', (_, message) => message.startsWith('note in'), 'may need room'],
  ['before the boot loader', (step) => step === 'bootloader', 'may need room'],
  // From here on nothing needs room any more.
  ['before the exchange', (step) => step === 'switch', 'needs none'],
  ['before what is left is removed', (step) => step === 'cleanup', 'needs none'],
  ['before the end', (step) => step === 'after-upgrade', 'needs none'],
])('a partition that is full %s: two whole systems, and the next run finishes', async (_, isNow, need) => {
  const fill = (file: string) =>
    Bun.spawnSync(['dd', 'if=/dev/zero', `of=${file}`, 'bs=4k', 'oflag=append', 'conv=notrunc'], {
      stderr: 'ignore',
    });
  let filled = false;
  const ended = await upgrade(`oci:${registry.address}/kairos/os:v2`, {
    onProgress({ step, message }) {
      if (filled || !isNow(step, message)) return;
      filled = true;
      for (const name of ['filler', 'filler2']) fill(`/run/initramfs/cos-state/${name}`);
    },
  }).then(
    () => 'done',
    (error: unknown) => (error instanceof KairosError ? error.code : String(error)),
  );
  expect(filled).toBe(true);
  const target = join(folder, 'mnt');
  mkdirSync(target);
  Bun.spawnSync(['mount', disk.partition(5), target]);
  for (const name of ['filler', 'filler2']) rmSync(join(target, name), { force: true });
  Bun.spawnSync(['umount', target]);
  const { active, passive } = slotsOf(disk);
  // A file system that is full may still have a block for a small file.
  expect([['done', 'v2', 'v1'], ...(need === 'needs none' ? [] : [['NO_SPACE', 'v1', 'v1']])]).toContainEqual(
    [ended, active ?? '', passive ?? ''],
  );
  await upgrade(`oci:${registry.address}/kairos/os:v2`);
  expect(slotsOf(disk)).toEqual(upgraded);
});

test('two upgrades at once: the second is told of the first', async () => {
  let second: Promise<KairosError> | undefined;
  await withState(disk.device, () =>
    upgradeNode(host, `oci:${registry.address}/kairos/os:v2`, {
      onProgress({ step }) {
        if (step === 'copy') second ??= errorOf(upgradeNode(host, `oci:${registry.address}/kairos/os:v2`));
      },
    }),
  );
  const error = await second;
  expect([error?.code, error?.exitCode]).toEqual(['BUSY', 19]);
  expect(error?.message).toMatch(
    new RegExp(
      `^The slots are being changed already \\(upgrade, process ${process.pid}, running for \\d+ s\\)$`,
    ),
  );
  expect(slotsOf(disk)).toEqual(upgraded);
});

test('what a slot here has already is copied and not fetched', async () => {
  // Another system with the same root: only what differs comes over the network.
  await push(second.layout, registry, 'kairos/os:v2');
  await upgrade(`oci:${registry.address}/kairos/os:v2`);
  const proxy = await startFaultProxy(registry.address, (passing) => passing.pass());
  try {
    const recovered = await upgrade(`oci:${proxy.address}/kairos/os:v2`, { recovery: true });
    const { image } = recovered.plan;
    expect([image.fetched < 10_000, image.missing > 12 * MiB]).toEqual([true, true]);
    expect(slotsOf(disk, 4)).toEqual({ recovery: 'v2' });
    const root = JSON.parse(String(second.files.get('image.json'))).files['root.img'].digest;
    expect(proxy.log.filter((line) => line.includes(root))).toEqual([]);
  } finally {
    await proxy.stop();
  }
});

test('a slot here that rotted is not trusted: the file is fetched after all', async () => {
  await upgrade(`oci:${registry.address}/kairos/os:v2`);
  const target = join(folder, 'mnt');
  mkdirSync(target);
  Bun.spawnSync(['mount', disk.partition(5), target]);
  const rotten = join(target, 'cOS/active/root.img');
  const bytes = readFileSync(rotten);
  bytes[5 * MiB] = (bytes[5 * MiB] ?? 0) ^ 1;
  writeFileSync(rotten, bytes);
  Bun.spawnSync(['umount', target]);
  const { warnings } = await upgrade(`oci:${registry.address}/kairos/os:v2`, { recovery: true });
  expect(warnings.filter((warning) => warning.includes('which is fetched instead'))).toHaveLength(1);
  expect(slotsOf(disk, 4)).toEqual({ recovery: 'v2' });
});
