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
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KairosError } from '@kairos/facts/errors';
import { MiB } from '@kairos/facts/size';
import type { Host } from '@kairos/host/host';
import { openLayout } from '@kairos/oci/layout';
import { pushImage } from '@kairos/oci/push';
import { parseReference } from '@kairos/oci/reference';
import { type Passing, type PassOptions, startFaultProxy } from '../src/fault-proxy.ts';
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

setDefaultTimeout(120_000);

const machine = machineWithVfat();
const shared = mkdtempSync(join(tmpdir(), 'sources-'));
const password = 'correct horse';
let registry: RegistryServer;
let locked: RegistryServer;
let first: SyntheticImage;
let second: SyntheticImage;
/** A disk on which the first image is installed, to be copied. */
let template: string;

const push = (layout: string, server: RegistryServer, name: string) =>
  pushImage(openLayout(layout), parseReference(`${server.address}/${name}`));

beforeAll(async () => {
  registry = await startRegistry(join(shared, 'registry'));
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
afterAll(async () => {
  await registry?.stop();
  await locked?.stop();
  rmSync(shared, { recursive: true, force: true });
});

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

const upgrade = (
  ...[source, more, options]: Parameters<typeof upgradeNode> extends [Host, ...infer Rest] ? Rest : never
) => withState(disk.device, () => upgradeNode(host, source, more, options));
async function errorOf(promise: Promise<unknown>): Promise<KairosError> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof KairosError) return error;
  throw error ?? new Error('expected an error');
}
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
