import { afterEach, beforeEach, expect, setDefaultTimeout, test } from 'bun:test';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bootEntry } from '@kairos/agent/commands/boot-entry';
import { markBootGood } from '@kairos/agent/commands/boot-good';
import { installWith } from '@kairos/agent/commands/install';
import { rollback } from '@kairos/agent/commands/rollback';
import { type UpgradeOptions, upgradeWith } from '@kairos/agent/commands/upgrade';
import { openImageSource } from '@kairos/agent/sources/image-source';
import { KairosError } from '@kairos/facts/errors';
import { MiB } from '@kairos/facts/size';
import { parseGrubEnvironment } from '@kairos/host/grub-environment';
import type { Host } from '@kairos/host/host';
import { LoopDisk, lookInside, machineWithVfat } from '../src/loop-disk.ts';
import { type SyntheticOptions, writeSyntheticBootForm } from '../src/synthetic-boot-form.ts';

setDefaultTimeout(120_000);

const machine = machineWithVfat();
const mountPoint = '/run/initramfs/cos-state';
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'upgrade-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
  // A test that leaves a mount has to be seen, not swept up.
  expect(machine.mounts().filter(({ target }) => /^\/run\/(cos|initramfs)/.test(target))).toEqual([]);
});

const nothing = () => undefined;

/** Writes an image; gives its source and the root hash by which its kernel would open it. */
async function image(version: string, more: SyntheticOptions = {}) {
  const files = await writeSyntheticBootForm(join(folder, version), { version, ...more });
  const manifest = JSON.parse(files.get('image.json')?.toString() ?? '');
  return { source: `dir:${folder}/${version}/slot`, rootHash: String(manifest.verity.rootHash) };
}

/** The machine as after a start of a slot of the disk: only that disk, and the kernel's command line of that boot. */
function booted(disk: LoopDisk, slot: 'ACTIVE' | 'PASSIVE', rootHash: string, report = '{"steps":[]}'): Host {
  const replaced: Record<string, string> = {
    '/proc/cmdline': `root=LABEL=COS_${slot} kairos.verity=${rootHash}:-:10:11`,
    '/run/immucore/boot-report.json': report,
    [join(folder, 'no-config')]: '',
  };
  return {
    ...machine,
    // lsblk asks udev, which may not be there: the labels are those that the file systems themselves have.
    disks: async () =>
      (await machine.disks())
        .filter(({ path }) => path === disk.device)
        .map((found) => ({
          ...found,
          partitions: found.partitions.map((one) => ({
            ...one,
            ...probe(one.path),
            partitionName: disk.table().partitions[Number(one.path.split('p').at(-1)) - 1]?.name ?? '',
          })),
        })),
    which: () => undefined,
    run: (argv, options) =>
      argv[0] === 'systemctl'
        ? Promise.resolve({ stdout: '', stderr: '', code: 0 })
        : machine.run(argv, options),
    files: {
      ...machine.files,
      exists: (path) => path === '/etc/kairos/.nousers' || machine.files.exists(path),
      readTextIfAny: (path) => replaced[path] ?? machine.files.readTextIfAny(path),
    },
  };
}

function probe(device: string): { label: string; filesystem: string } {
  const value = (tag: string) =>
    Bun.spawnSync(['blkid', '--probe', '--output', 'value', '--match-tag', tag, device])
      .stdout.toString()
      .trim();
  return { label: value('LABEL'), filesystem: value('TYPE') };
}

async function withState<T>(disk: LoopDisk, work: () => Promise<T>): Promise<T> {
  mkdirSync(mountPoint, { recursive: true });
  Bun.spawnSync(['mount', '-o', 'ro', disk.partition(5), mountPoint]);
  try {
    const result = await work();
    const mount = machine.mounts().findLast(({ target }) => target === mountPoint);
    expect(mount?.options).toContain('ro');
    return result;
  } finally {
    Bun.spawnSync(['umount', mountPoint]);
  }
}

const run = (host: Host, source: string, more: Partial<UpgradeOptions> = {}) =>
  upgradeWith(
    host,
    { source, onProgress: nothing, ...more },
    { openSource: openImageSource, runStage: async () => undefined, now: () => new Date() },
  );

const versions = (disk: LoopDisk, partition = 5) =>
  lookInside(disk.partition(partition), (root) =>
    Object.fromEntries(
      readdirSync(join(root, 'cOS')).map((name) => [
        name,
        JSON.parse(readFileSync(join(root, 'cOS', name, 'image.json'), 'utf8')).version,
      ]),
    ),
  );
const environment = (disk: LoopDisk, partition: number, name: string) =>
  lookInside(disk.partition(partition), (root) => parseGrubEnvironment(readFileSync(join(root, name)), name));

async function installed(version: string) {
  const first = await image(version);
  const disk = new LoopDisk(folder, 1024 * MiB);
  const config = join(folder, 'config.yaml');
  writeFileSync(config, '#cloud-config\ninstall: {nousers: true}\n');
  await installWith(
    machine,
    { source: first.source, device: disk.device, configFile: config, unattended: false, onProgress: nothing },
    { openSource: openImageSource, runStage: async () => undefined },
  );
  return { disk, first };
}

test('two upgrades, a rollback, and the boot that proves each good', async () => {
  const { disk, first } = await installed('v1');
  using _ = disk;
  const second = await image('v2');
  const third = await image('v3', {
    grub: 'newer',
    menu: readFileSync(join(import.meta.dir, '../../system/grub/grub.cfg'), 'utf8'),
  });

  await withState(disk, () => run(booted(disk, 'ACTIVE', first.rootHash), second.source));
  expect(versions(disk)).toEqual({ active: 'v2', passive: 'v1' });
  expect(environment(disk, 5, 'boot_assessment')).toEqual({ kairos_fallback_tries: '3', kairos_tries: '3' });
  expect(environment(disk, 3, 'grubenv')).toEqual({ next_entry: 'cos' });
  expect(versions(disk, 4)).toEqual({ recovery: 'v1' });
  lookInside(disk.partition(6), (root) =>
    expect(readFileSync(join(root, '.kairos-state'), 'utf8')).toContain(
      `last-active-source: ${second.source}`,
    ),
  );

  const good = await withState(disk, () =>
    markBootGood(booted(disk, 'ACTIVE', second.rootHash), { onProgress: nothing }),
  );
  expect(good).toMatchObject({ verdict: 'good', slot: 'active' });
  expect(environment(disk, 5, 'boot_assessment')).toEqual({ kairos_starts: '5' });

  const core = Buffer.from(
    await Bun.file(disk.file)
      .slice(0, 2 * MiB)
      .arrayBuffer(),
  );
  await withState(disk, () => run(booted(disk, 'ACTIVE', second.rootHash), third.source));
  expect(versions(disk)).toEqual({ active: 'v3', passive: 'v2' });
  // The new core.img is in the other half of its partition, the old one is untouched, the boot sector points to the new.
  const after = Buffer.from(
    await Bun.file(disk.file)
      .slice(0, 2 * MiB)
      .arrayBuffer(),
  );
  expect(after.readBigUInt64LE(0x5c)).toBe(2048n + 1024n);
  expect(after.subarray(MiB, MiB + MiB / 2).equals(core.subarray(MiB, MiB + MiB / 2))).toBe(true);
  expect(after.subarray(440, 512).equals(core.subarray(440, 512))).toBe(true);
  const grub = Bun.spawnSync(['mtype', '-i', disk.partition(2), '::EFI/BOOT/grubx64.efi']).stdout;
  expect(grub.toString()).toStartWith('MZnewer');

  await withState(disk, () => rollback(booted(disk, 'ACTIVE', third.rootHash), { onProgress: nothing }));
  expect(versions(disk)).toEqual({ active: 'v2', passive: 'v3' });
  expect(environment(disk, 5, 'boot_assessment').kairos_failed).toMatch(/^sha256:/);
  const chosen = await withState(disk, () =>
    bootEntry(booted(disk, 'PASSIVE', third.rootHash), { select: 'passive', permanent: true }),
  );
  expect(chosen.next).toEqual({ entries: ['fallback', 'cos', 'recovery'], reason: 'saved' });
  expect(environment(disk, 3, 'grubenv')).toEqual({ saved_entry: 'fallback' });
});

test('an upgrade that is killed in the middle leaves a usable system, and a re-run goes on', async () => {
  const { disk, first } = await installed('v1');
  using _ = disk;
  const second = await image('v2', { rootSize: 8 * MiB });
  const host = booted(disk, 'ACTIVE', first.rootHash);
  let stopped = false;
  const error = await withState(disk, () =>
    run(host, second.source, {
      onProgress({ step, done }) {
        if (step === 'copy' && (done ?? 0) > 2 * MiB && !stopped) {
          stopped = true;
          process.kill(process.pid, 'SIGTERM');
        }
      },
    }).catch((thrown: unknown) => thrown),
  );
  expect(error).toMatchObject({ code: 'INTERRUPTED', exitCode: 130 });
  expect(lookInside(disk.partition(5), (root) => readdirSync(join(root, 'cOS')).sort())).toEqual([
    'active',
    'passive',
    'transition',
  ]);
  const { plan } = await withState(disk, () => run(host, second.source));
  expect(plan.steps.find(({ kind }) => kind === 'copy-image')).toMatchObject({
    present: ['initrd', 'cmdline', 'boot.cfg', 'bootloader.tar'],
  });
  expect(versions(disk)).toEqual({ active: 'v2', passive: 'v1' });
});

test('recovery gets its own image; too large a one is refused before a byte is written', async () => {
  const { disk, first } = await installed('v1');
  using _ = disk;
  const second = await image('v2');
  const host = booted(disk, 'ACTIVE', first.rootHash);
  await withState(disk, () => run(host, second.source, { recovery: true }));
  expect(versions(disk, 4)).toEqual({ recovery: 'v2' });
  expect(versions(disk)).toEqual({ active: 'v1', passive: 'v1' });
  const before = Bun.spawnSync(['sha256sum', disk.partition(4)]).stdout.toString();
  const large = await image('v3', { rootSize: 240 * MiB });
  const error = await withState(disk, () =>
    run(host, large.source, { recovery: true }).catch((thrown: unknown) => thrown),
  );
  expect(error).toBeInstanceOf(KairosError);
  expect(error).toMatchObject({ code: 'NO_SPACE', exitCode: 17 });
  expect(Bun.spawnSync(['sha256sum', disk.partition(4)]).stdout.toString()).toBe(before);
});

test('a failing check restarts the node and keeps the reason where it survives', async () => {
  const { disk, first } = await installed('v1');
  using _ = disk;
  const second = await image('v2');
  await withState(disk, () => run(booted(disk, 'ACTIVE', first.rootHash), second.source));
  const report =
    '{"steps":[{"name":"oem","status":"failed","criticality":"degrade","error":{"message":"no disk"}}]}';
  mkdirSync('/oem', { recursive: true });
  Bun.spawnSync(['mount', disk.partition(3), '/oem']);
  try {
    const result = await withState(disk, () =>
      markBootGood(booted(disk, 'ACTIVE', second.rootHash, report), { onProgress: nothing, reboot: false }),
    );
    expect(result).toMatchObject({ verdict: 'failed', reasons: ['boot step oem failed: no disk'] });
  } finally {
    Bun.spawnSync(['umount', '/oem']);
  }
  lookInside(disk.partition(3), (root) => {
    const [name = ''] = readdirSync(join(root, 'boot-failures'));
    expect(JSON.parse(readFileSync(join(root, 'boot-failures', name), 'utf8'))).toMatchObject({
      slot: 'active',
      image: { version: 'v2' },
      triesLeft: 3,
      reasons: ['boot step oem failed: no disk'],
    });
  });
  expect(environment(disk, 5, 'boot_assessment').kairos_tries).toBe('3');
});
