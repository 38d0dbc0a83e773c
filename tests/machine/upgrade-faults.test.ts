import { describe, expect, setDefaultTimeout, test } from 'bun:test';
import { mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { KairosError } from '@kairos/facts/errors';
import { MiB } from '@kairos/facts/size';
import { errorOf } from '../src/error-of.ts';
import { type Passing, type PassOptions, startFaultProxy } from '../src/fault-proxy.ts';
import { slotsOf, upgradeNode, withState } from '../src/installed-node.ts';
import { lookInside } from '../src/loop-disk.ts';
import { before, rootDigest, UpgradableNode, upgraded } from '../src/upgradable-node.ts';

setDefaultTimeout(120_000);

const node = new UpgradableNode('upgrade-faults');
const { registry } = node;

describe('between the node and the registry:', () => {
  const isBlob = ({ url }: Passing) => url.pathname.includes('/blobs/');
  /** What happens to answers that are longer than 5 MiB: only root.img is. */
  const toRoot = (options: PassOptions) => (passing: Passing) => {
    const digest = rootDigest(node.second);
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
        const digest = rootDigest(node.second);
        if (passing.url.pathname.endsWith(digest)) passing.answer(404);
        else passing.pass();
      },
      'BLOB_MISSING',
      12,
      /does not hold blob sha256:/,
    ],
  ])('%s', async (_, fault, code, exit, message) => {
    await through(fault, async (source) => {
      const error = await errorOf(node.upgrade(source));
      expect([error.code, error.exitCode]).toEqual([code, exit]);
      expect(error.message).toMatch(message);
      // The old state is whole, and what was begun is no slot.
      expect(slotsOf(node.disk)).toEqual(
        code === 'REGISTRY_BUSY' ? before : { ...before, transition: 'unfinished' },
      );
    });
    await node.upgrade(reference(registry.address));
    expect(slotsOf(node.disk)).toEqual(upgraded);
  });

  test('a server without Range, which cuts once: the rest is taken from the whole', async () => {
    let times = 0;
    const digest = rootDigest(node.second);
    const proxy = await through(
      (passing) => {
        delete passing.headers.range;
        const isRoot = passing.url.pathname.endsWith(digest);
        passing.pass(isRoot && times++ === 0 ? { cut: { after: 5 * MiB, how: 'break' } } : {});
      },
      async (source) => {
        await node.upgrade(source);
      },
    );
    expect(slotsOf(node.disk)).toEqual(upgraded);
    expect(proxy.log.filter((line) => line.includes(digest)).length).toBe(2);
  });

  test('the registry goes away, and the next run asks for the rest only', async () => {
    const size = 12 * MiB;
    const digest = rootDigest(node.second);
    const gone = await startFaultProxy(registry.address, (passing) =>
      passing.pass(passing.url.pathname.endsWith(digest) ? { cut: { after: 9 * MiB, how: 'silence' } } : {}),
    );
    let stopping: Promise<void> | undefined;
    const error = await errorOf(
      node.upgrade(reference(gone.address), {
        onProgress({ step, done }) {
          if (step === 'copy' && (done ?? 0) > 12 * MiB) stopping ??= gone.stop();
        },
      }),
    );
    await stopping;
    expect([error.code, error.exitCode]).toEqual(['REGISTRY_UNREACHABLE', 20]);
    const kept = lookInside(node.disk.partition(5), (root) =>
      readdirSync(join(root, 'cOS/transition'))
        .filter((name) => name.endsWith('.partial'))
        .map((name) => statSync(join(root, 'cOS/transition', name)).size),
    );
    expect(kept.length).toBe(1);
    expect(kept[0]).toBeWithin(6 * MiB, 9 * MiB + 1);
    const proxy = await through(
      (passing) => passing.pass(),
      async (source) => {
        const { plan } = await node.upgrade(source);
        expect(plan.steps.find(({ kind }) => kind === 'copy-image')).toMatchObject({
          partial: { 'root.img': kept[0] },
        });
      },
    );
    expect(slotsOf(node.disk)).toEqual(upgraded);
    const asked = proxy.log.filter((line) => line.includes(digest));
    expect(asked).toEqual([`GET /v2/kairos/os/blobs/${digest} bytes=${kept[0]}-`]);
    const others = [...node.second.files].reduce(
      (sum, [name, { length }]) =>
        sum + (['image.json', 'bootloader.tar', 'vmlinuz'].includes(name) ? length : 0),
      0,
    );
    // The rest of root.img, and what follows it or is read before the plan.
    expect(proxy.blobBytes()).toBeWithin(size - (kept[0] ?? 0), size - (kept[0] ?? 0) + others + 2000);
  });

  test('a beginning that is not the beginning costs a download, not the upgrade', async () => {
    const digest = rootDigest(node.second);
    const target = join(node.folder, 'mnt');
    mkdirSync(target);
    Bun.spawnSync(['mount', node.disk.partition(5), target]);
    mkdirSync(join(target, 'cOS/transition'));
    writeFileSync(join(target, `cOS/transition/root.img.${digest.slice(7, 23)}.partial`), Buffer.alloc(MiB));
    Bun.spawnSync(['umount', target]);
    const proxy = await through(
      (passing) => passing.pass(),
      async (source) => void (await node.upgrade(source)),
    );
    expect(proxy.log.filter((line) => line.includes(digest)).map((line) => line.split(' ')[2])).toEqual([
      `bytes=${MiB}-`,
      undefined,
    ]);
    expect(slotsOf(node.disk)).toEqual(upgraded);
  });

  test.each(['SIGINT', 'SIGKILL'] as const)(
    '%s in the middle, and the next run asks for the rest',
    async (signal) => {
      const digest = rootDigest(node.second);
      const slow = await startFaultProxy(registry.address, (passing) =>
        passing.pass(
          passing.url.pathname.endsWith(digest) ? { cut: { after: 10 * MiB, how: 'silence' } } : {},
        ),
      );
      const child = Bun.spawn(
        [
          process.execPath,
          join(import.meta.dir, '../src/upgrade-worker.ts'),
          ...[node.disk.device, node.first.rootHash, reference(slow.address)],
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
      expect(slotsOf(node.disk)).toEqual({ ...before, transition: 'unfinished' });
      const proxy = await through(
        (passing) => passing.pass(),
        async (source) => void (await node.upgrade(source)),
      );
      expect(slotsOf(node.disk)).toEqual(upgraded);
      const [line = ''] = proxy.log.filter((one) => one.includes(digest));
      const from = Number(/bytes=(\d+)-$/.exec(line)?.[1]);
      expect(from).toBeGreaterThanOrEqual(4 * MiB);
    },
  );
});

test('a partition that fills up while the image comes: the old state is whole, and nothing is left', async () => {
  const filler = '/run/initramfs/cos-state/filler';
  let filled = false;
  const error = await errorOf(
    node.upgrade(`oci:${registry.address}/kairos/os:v2`, {
      onProgress({ step, done }) {
        if (step !== 'copy' || filled || (done ?? 0) < 2 * MiB) return;
        filled = true;
        Bun.spawnSync(['dd', 'if=/dev/zero', `of=${filler}`, 'bs=1M'], { stderr: 'ignore' });
      },
    }),
  );
  expect([error.code, error.exitCode]).toEqual(['NO_SPACE', 17]);
  expect(error.message).toMatch(/^No space left for \S+\/root\.img: \d.* of 12\.0 MiB are missing$/);
  const target = join(node.folder, 'mnt');
  mkdirSync(target);
  Bun.spawnSync(['mount', node.disk.partition(5), target]);
  const left = readdirSync(join(target, 'cOS/transition')).filter((name) => name.startsWith('root'));
  rmSync(join(target, 'filler'));
  Bun.spawnSync(['umount', target]);
  expect(left).toEqual([]);
  expect(slotsOf(node.disk)).toEqual({ ...before, transition: 'unfinished' });
  await node.upgrade(`oci:${registry.address}/kairos/os:v2`);
  expect(slotsOf(node.disk)).toEqual(upgraded);
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
  const ended = await node
    .upgrade(`oci:${registry.address}/kairos/os:v2`, {
      onProgress({ step, message }) {
        if (filled || !isNow(step, message)) return;
        filled = true;
        for (const name of ['filler', 'filler2']) fill(`/run/initramfs/cos-state/${name}`);
      },
    })
    .then(
      () => 'done',
      (error: unknown) => (error instanceof KairosError ? error.code : String(error)),
    );
  expect(filled).toBe(true);
  const target = join(node.folder, 'mnt');
  mkdirSync(target);
  Bun.spawnSync(['mount', node.disk.partition(5), target]);
  for (const name of ['filler', 'filler2']) rmSync(join(target, name), { force: true });
  Bun.spawnSync(['umount', target]);
  const { active, passive } = slotsOf(node.disk);
  // A file system that is full may still have a block for a small file.
  expect([['done', 'v2', 'v1'], ...(need === 'needs none' ? [] : [['NO_SPACE', 'v1', 'v1']])]).toContainEqual(
    [ended, active ?? '', passive ?? ''],
  );
  await node.upgrade(`oci:${registry.address}/kairos/os:v2`);
  expect(slotsOf(node.disk)).toEqual(upgraded);
});

test('two upgrades at once: the second is told of the first', async () => {
  let second: Promise<KairosError> | undefined;
  await withState(node.disk.device, () =>
    upgradeNode(node.host, `oci:${registry.address}/kairos/os:v2`, {
      onProgress({ step }) {
        if (step === 'copy')
          second ??= errorOf(upgradeNode(node.host, `oci:${registry.address}/kairos/os:v2`));
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
  expect(slotsOf(node.disk)).toEqual(upgraded);
});
