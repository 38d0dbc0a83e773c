import { afterEach, beforeEach, expect, setDefaultTimeout, test } from 'bun:test';
import {
  closeSync,
  cpSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bootableSlots } from '@kairos/agent/boot/choice';
import { installWith } from '@kairos/agent/commands/install';
import { type ResetOptions, resetWith } from '@kairos/agent/commands/reset';
import { openImageSource } from '@kairos/agent/sources/image-source';
import { isSystemError } from '@kairos/facts/errors';
import { MiB } from '@kairos/facts/size';
import { editGrubEnvironment } from '@kairos/host/fixture-grub-environment';
import { parseGrubEnvironment } from '@kairos/host/grub-environment';
import type { Host } from '@kairos/host/host';
import { LoopDisk, lookInside, machineWithVfat } from '../src/loop-disk.ts';
import { run } from '../src/run-tool.ts';
import { writeSyntheticBootForm } from '../src/synthetic-boot-form.ts';

setDefaultTimeout(180_000);

const machine = machineWithVfat();
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'reset-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
  // A test that leaves a mount has to be seen, not swept up.
  const left = machine.mounts().filter(({ target }) => /^(\/oem$|\/run\/(cos|initramfs))/.test(target));
  expect(left).toEqual([]);
});

const nothing = () => undefined;
const probe = (device: string, tag: string) =>
  Bun.spawnSync(['blkid', '--probe', '--output', 'value', '--match-tag', tag, device])
    .stdout.toString()
    .trim();

/** Mounts for the time of some work. */
async function mounted<T>(device: string, target: string, options: string, work: () => Promise<T> | T) {
  mkdirSync(target, { recursive: true });
  run('mount', '-o', options, device, target);
  try {
    return await work();
  } finally {
    Bun.spawnSync(['umount', target]);
  }
}
const inside = <T>(device: string, work: (place: string) => T | Promise<T>) => {
  const place = join(folder, 'mnt');
  return mounted(device, place, 'rw', () => work(place));
};

/** The machine as after a start of recovery: only that disk, with recovery and OEM mounted, as immucore does. */
function inRecovery<T>(
  disk: LoopDisk,
  work: (host: Host) => Promise<T>,
  more: Partial<Host> = {},
): Promise<T> {
  const cmdline = 'root=LABEL=COS_SYSTEM kairos.slot=LABEL=COS_RECOVERY:/cOS/recovery kairos.reset';
  const host: Host = {
    ...machine,
    // lsblk asks udev, which may not be there: the labels are those that the file systems themselves have.
    disks: async () =>
      (await machine.disks())
        .filter(({ path }) => path === disk.device)
        .map((found) => ({
          ...found,
          partitions: found.partitions.map((one) => ({
            ...one,
            ...{ label: probe(one.path, 'LABEL'), filesystem: probe(one.path, 'TYPE') },
            partitionName: disk.table().partitions[Number(one.path.split('p').at(-1)) - 1]?.name ?? '',
          })),
        })),
    which: (name) => (name === 'e2fsck' ? machine.which(name) : undefined),
    files: {
      ...machine.files,
      exists: (path) => path === '/etc/kairos/.nousers' || machine.files.exists(path),
      readTextIfAny: (path) => (path === '/proc/cmdline' ? cmdline : machine.files.readTextIfAny(path)),
    },
    ...more,
  };
  return mounted(disk.partition(4), '/run/initramfs/cos-state', 'ro', () =>
    // OEM stays out where it cannot be mounted.
    probe(disk.partition(3), 'TYPE') === 'ext4'
      ? mounted(disk.partition(3), '/oem', 'rw', () => work(host))
      : work(host),
  );
}

const reset = (host: Host, more: Partial<ResetOptions> = {}) =>
  resetWith(
    host,
    { onProgress: nothing, ...more },
    {
      openSource: openImageSource,
      runStage: async () => undefined,
      plugins: () => ({ before: async () => ({}), after: async () => undefined }),
      now: () => new Date('2026-01-02T03:04:05Z'),
    },
  );

/** A node that was installed with v1, upgraded to v2 since, and used. */
async function usedNode(): Promise<LoopDisk> {
  for (const version of ['v1', 'v2']) {
    await writeSyntheticBootForm(join(folder, version), { version, rootSize: 4 * MiB });
  }
  const disk = new LoopDisk(folder, 900 * MiB);
  const config = join(folder, 'config.yaml');
  writeFileSync(config, '#cloud-config\ninstall: {nousers: true}\n');
  await installWith(
    machine,
    {
      ...{ source: `dir:${folder}/v1/slot`, device: disk.device, configFile: config },
      ...{ unattended: false, onProgress: nothing },
    },
    { openSource: openImageSource, runStage: async () => undefined },
  );
  await inside(disk.partition(5), (place) => {
    for (const slot of ['active', 'passive']) {
      rmSync(join(place, 'cOS', slot), { recursive: true });
      cpSync(`${folder}/v2/slot`, join(place, 'cOS', slot), { recursive: true });
    }
  });
  await inside(disk.partition(3), (place) => {
    editGrubEnvironment(machine.files, join(place, 'grubenv'), {
      saved_entry: 'statereset',
      extra_cmdline: 'quiet',
    });
  });
  await inside(disk.partition(6), (place) => writeFileSync(join(place, 'secret'), 'of the last owner'));
  return disk;
}

const versions = (disk: LoopDisk) =>
  lookInside(disk.partition(5), (root) =>
    Object.fromEntries(
      readdirSync(join(root, 'cOS')).map((name) => {
        const path = join(root, 'cOS', name, 'image.json');
        return [name, existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')).version : ''];
      }),
    ),
  );
const environment = (disk: LoopDisk, partition: number, name: string) =>
  lookInside(disk.partition(partition), (root) => parseGrubEnvironment(readFileSync(join(root, name)), name));
const names = (disk: LoopDisk, partition: number) =>
  lookInside(disk.partition(partition), (root) => readdirSync(root).sort());

async function expectNew(disk: LoopDisk): Promise<void> {
  expect(versions(disk)).toEqual({ active: 'v1', passive: 'v1' });
  await inside(disk.partition(5), async (place) => {
    expect(await bootableSlots(machine.files, place)).toEqual(['active', 'passive']);
    expect(readFileSync(join(place, 'grub2/grub.cfg'), 'utf8')).toBe('# the menu of the disk\n');
  });
  expect(environment(disk, 5, 'boot_assessment')).toEqual({ kairos_tries: '3', kairos_fallback_tries: '3' });
  expect(names(disk, 6)).toEqual(['.kairos-state', 'lost+found']);
  expect(disk.label(6)).toBe('COS_PERSISTENT');
  expect(run('e2fsck', '-f', '-n', disk.partition(6))).toContain('COS_PERSISTENT');
  lookInside(disk.partition(6), (root) => {
    const record = readFileSync(join(root, '.kairos-state'), 'utf8');
    expect(record).toContain(`first-install-source: dir:${folder}/v1/slot`);
    expect(record).toContain('last-reset: 2026-01-02T03:04:05Z');
  });
}

test('a used node is new, killed on the way and gone on with; OEM is kept, then erased when that is asked for', async () => {
  using disk = await usedNode();
  const stop = new AbortController();
  const error = await inRecovery(disk, (host) =>
    reset(host, {
      signal: stop.signal,
      // The persistent partition was made anew by then; the slots are those of before.
      onProgress: ({ step }) => step === 'before-reset' && stop.abort(),
    }).catch((thrown: unknown) => thrown),
  );
  expect(error).toMatchObject({ code: 'INTERRUPTED', exitCode: 130 });
  expect(versions(disk)).toEqual({ active: 'v2', passive: 'v2', transition: 'v1' });
  expect(environment(disk, 5, 'boot_assessment')).toEqual({ kairos_reset: '3' });

  const { plan, warnings } = await inRecovery(disk, (host) => reset(host));
  expect([plan.resumes, warnings]).toEqual([true, []]);
  expect(plan.steps.filter(({ kind }) => kind === 'make-filesystem')).toEqual([]);
  // .kairos-state was read before the partition was erased, by the run that was killed.
  await expectNew(disk);
  expect(environment(disk, 3, 'grubenv')).toEqual({ extra_cmdline: 'quiet' });
  expect(names(disk, 3)).toContain('90_custom.yaml');

  // The slots hold the image already; only OEM and persistent are made anew.
  const again = await inRecovery(disk, (host) => reset(host, { resetOem: true }));
  expect(again.plan.steps.filter(({ kind }) => kind === 'copy-image')).toEqual([]);
  await expectNew(disk);
  expect(names(disk, 3)).toEqual(['grubenv', 'lost+found']);
  expect(disk.label(3)).toBe('COS_OEM');
  expect(environment(disk, 3, 'grubenv')).toEqual({});
});

test.each<[string, (disk: LoopDisk) => void, RegExp[]]>([
  [
    'the superblock of state, which is mended',
    (disk) => run('dd', 'if=/dev/zero', `of=${disk.partition(5)}`, 'bs=4k', 'count=1', 'conv=notrunc'),
    [],
  ],
  [
    'the file system of state as a whole, which is made anew',
    (disk) => run('mkfs.vfat', '-n', 'GARBAGE', disk.partition(5)),
    [/^The file system of COS_STATE is made anew/],
  ],
  [
    'OEM and persistent, and a slot',
    (disk) => {
      for (const number of [3, 6]) run('wipefs', '--all', '--quiet', disk.partition(number));
      run('dd', 'if=/dev/urandom', `of=${disk.partition(6)}`, 'bs=1M', 'count=4', 'conv=notrunc');
    },
    [/^COS_OEM stays as it is and cannot be read/],
  ],
])('damaged: %s', async (what, damage, notes) => {
  using disk = await usedNode();
  if (what.startsWith('OEM')) {
    await inside(disk.partition(5), (place) => {
      rmSync(join(place, 'cOS/active/vmlinuz'));
      writeFileSync(join(place, 'cOS/passive/root.img'), Buffer.alloc(5 * MiB));
    });
  }
  damage(disk);
  const { plan } = await inRecovery(disk, (host) => reset(host));
  expect(plan.notes).toEqual(notes.map((pattern) => expect.stringMatching(pattern)));
  expect(versions(disk)).toEqual({ active: 'v1', passive: 'v1' });
  expect(disk.label(5)).toBe('COS_STATE');
  expect(environment(disk, 5, 'boot_assessment').kairos_tries).toBe('3');
  expect(names(disk, 6)).toEqual(['.kairos-state', 'lost+found']);
});

/** Fills a file system up to so many free bytes. */
function fill(place: string, leave: number): void {
  const path = join(place, 'ballast');
  const descriptor = openSync(path, 'w');
  let size = 0;
  try {
    // What is allocated late is reckoned too high until it is synced.
    for (const chunk of [MiB, 512, 512].map((length) => Buffer.alloc(length, 1))) {
      try {
        for (;;) size += writeSync(descriptor, chunk);
      } catch (error) {
        if (!isSystemError(error, 'ENOSPC')) throw error;
      }
      fsyncSync(descriptor);
    }
  } finally {
    closeSync(descriptor);
  }
  truncateSync(path, Math.max(0, size - leave));
}

test('a full disk: refused before the first byte, or the old state stays whole; afterwards it is done', async () => {
  using disk = await usedNode();
  const slotSize = run('du', '-sb', join(folder, 'v1/slot')).split('\t')[0];
  for (const leave of [0, 512 * 1024, 2 * MiB]) {
    await inside(disk.partition(5), (place) => {
      rmSync(join(place, 'ballast'), { force: true });
      fill(place, leave);
    });
    const before = versions(disk);
    // The numbers lie, so that the disk is found full by what writes to it; then they are true again.
    const late = await inRecovery(disk, (host) => reset(host).catch((error: unknown) => error), {
      freeSpace: () => 900 * MiB,
    });
    expect([leave, late]).toEqual([
      leave,
      expect.objectContaining({ code: expect.stringMatching(/NO_?SP/) }),
    ]);
    expect([leave, { ...versions(disk), transition: undefined }]).toEqual([
      leave,
      { ...before, transition: undefined },
    ]);
    expect(environment(disk, 5, 'boot_assessment')).toEqual({});
    expect(names(disk, 6)).toContain('secret');
  }
  // Little room: the fallback goes before its successor comes.
  await inside(disk.partition(5), (place) => {
    rmSync(join(place, 'ballast'), { force: true });
    rmSync(join(place, 'cOS/transition'), { recursive: true, force: true });
    fill(place, Math.floor(Number(slotSize) / 2));
  });
  // OEM has no room either: what cannot be forgotten there is overruled.
  await inside(disk.partition(3), (place) => fill(place, 0));
  const { plan, warnings } = await inRecovery(disk, (host) => reset(host));
  expect(plan.notes).toEqual([
    'COS_STATE has no room for a third slot, so a slot goes before its successor is copied',
  ]);
  await expectNew(disk);
  expect(warnings).toEqual([expect.stringContaining('so it is overruled')]);
  expect(environment(disk, 5, 'grub_oem_env')).toMatchObject({ saved_entry: 'cos' });
});
