import { afterEach, beforeEach, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type InstallOptions, type InstallParts, installWith } from '@kairos/agent/commands/install';
import type { Progress } from '@kairos/agent/progress';
import { openImageSource } from '@kairos/agent/sources/image-source';
import { runHookStage } from '@kairos/agent/stages/hooks';
import { KairosError } from '@kairos/facts/errors';
import { MiB } from '@kairos/facts/size';
import { parseGrubEnvironment } from '@kairos/host/grub-environment';
import { errorOf } from '../src/error-of.ts';
import { LoopDisk, lookInside, machineWithVfat } from '../src/loop-disk.ts';
import { writeSyntheticBootForm } from '../src/synthetic-boot-form.ts';

const host = machineWithVfat();
let folder: string;
let image: Map<string, Buffer>;
let stages: string[];
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'install-'));
  image = await writeSyntheticBootForm(folder);
  stages = [];
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
  // A test that leaves a mount has to be seen, not swept up.
  expect(host.mounts().filter(({ target }) => target.startsWith('/run/cos'))).toEqual([]);
});

const parts: InstallParts = {
  openSource: openImageSource,
  runStage: async (_, stage) => {
    stages.push(stage);
  },
};

function config(install: string): string {
  const path = join(folder, 'config.yaml');
  writeFileSync(path, `#cloud-config\ninstall:\n${install}\nusers:\n- name: kairos\n  groups: [admin]\n`);
  return path;
}

const install = (disk: LoopDisk, more: Partial<InstallOptions> = {}, text = '  auto: true', use = parts) =>
  installWith(
    host,
    {
      ...{
        source: `dir:${folder}/slot`,
        device: disk.device,
        unattended: false,
        onProgress: () => undefined,
      },
      configFile: config(text),
      ...more,
    },
    use,
  );

const digest = (path: string) => Bun.spawnSync(['sha256sum', path]).stdout.toString();
const environment = (path: string) => parseGrubEnvironment(readFileSync(path), path);
const slotIn = (path: string): Record<string, Uint8Array> =>
  Object.fromEntries(readdirSync(path).map((name) => [name, readFileSync(join(path, name))]));
const slot = (): Record<string, Uint8Array> => Object.fromEntries(image);

test('an empty disk gets partitions, slots, boot loaders, environment, configuration and record', async () => {
  using disk = new LoopDisk(folder, 1024 * MiB);
  const seen: Progress[] = [];
  const result = await install(
    disk,
    { onProgress: (progress) => seen.push(progress) },
    '  grub_options: {extra_cmdline: quiet}\n  grub-entry-name: Edge\n  bind_mounts: [/data]\n' +
      '  extra-partitions: [{name: extra, size: 16, label: EXTRA, fs: ext2}]',
  );
  expect(result.installed).toBe(true);
  const table = disk.table();
  expect(table.label).toBe('gpt');
  expect(table.partitions.map(({ name }) => name)).toEqual([
    'bios',
    'efi',
    'oem',
    'recovery',
    'state',
    'extra',
    'persistent',
  ]);
  expect([2, 3, 4, 5, 6, 7].map((number) => disk.label(number))).toEqual([
    'COS_GRUB',
    'COS_OEM',
    'COS_RECOVERY',
    'COS_STATE',
    'EXTRA',
    'COS_PERSISTENT',
  ]);
  lookInside(disk.partition(5), (state) => {
    expect(readdirSync(join(state, 'cOS')).sort()).toEqual(['active', 'passive']);
    expect(slotIn(join(state, 'cOS/active'))).toEqual(slot());
    expect(slotIn(join(state, 'cOS/passive'))).toEqual(slot());
    expect(readFileSync(join(state, 'grub2/grub.cfg'), 'utf8')).toBe('# the menu of the disk\n');
    expect(environment(join(state, 'grub_oem_env'))).toEqual({ default_menu_entry: 'Edge' });
    expect(environment(join(state, 'boot_assessment'))).toEqual({});
  });
  lookInside(disk.partition(4), (recovery) => {
    expect(slotIn(join(recovery, 'cOS/recovery'))).toEqual(slot());
  });
  lookInside(disk.partition(3), (oem) => {
    expect(environment(join(oem, 'grubenv'))).toEqual({ extra_cmdline: 'quiet' });
    const custom = join(oem, '90_custom.yaml');
    expect(readFileSync(custom, 'utf8')).toStartWith(
      `#cloud-config\n\n# Sources:\n# - ${folder}/config.yaml\n\ninstall:\n`,
    );
    expect(statSync(custom).mode & 0o777).toBe(0o640);
    expect(readFileSync(join(oem, '10_user_custom_mounts.yaml'), 'utf8')).toContain(
      'CUSTOM_BIND_MOUNTS: /data',
    );
  });
  lookInside(disk.partition(7), (persistent) => {
    expect(readFileSync(join(persistent, '.kairos-state'), 'utf8')).toMatch(
      new RegExp(
        `^first-install: \\d{4}-.*Z\nfirst-install-source: dir:${folder}/slot\nlast-active-upgrade: never\n`,
      ),
    );
  });
  // The boot sector knows where core.img lies, the partition table is still there.
  const bytes = Buffer.from(
    await Bun.file(disk.file)
      .slice(0, 2 * MiB)
      .arrayBuffer(),
  );
  expect(bytes.readBigUInt64LE(0x5c)).toBe(2048n);
  expect(bytes.readUInt16LE(510)).toBe(0xaa55);
  expect(bytes.subarray(MiB + 600, MiB + 30_000)).toEqual(Buffer.alloc(29_400, 0x22));
  const efi = (path: string) => Bun.spawnSync(['mtype', '-i', disk.partition(2), `::${path}`]).stdout;
  expect(efi('EFI/BOOT/BOOTX64.EFI').subarray(0, 2).toString()).toBe('MZ');
  expect(efi('EFI/BOOT/grubx64.efi').length).toBe(20_002);
  expect(efi('EFI/BOOT/mmx64.efi').length).toBe(702);
  expect(efi('EFI/debian/grub.cfg').toString()).toContain('--label COS_STATE');
  expect(efi('EFI/BOOT/grub.cfg')).toEqual(efi('EFI/debian/grub.cfg'));
  expect(stages).toEqual(['kairos-install.pre', 'before-install', 'after-install', 'kairos-install.after']);
  const phases = seen.map(({ step }) => step).filter((step, index, all) => step !== all[index - 1]);
  expect(phases).toEqual([
    'prepare',
    'partition',
    'before-install',
    'active',
    'recovery',
    'passive',
    'bootloader',
    'after-install',
    'done',
  ]);
});

test('a second installation takes our own disk, and a dry run says what it would erase', async () => {
  using disk = new LoopDisk(folder, 1024 * MiB);
  await install(disk);
  const { plan, installed } = await install(disk, { dryRun: true });
  expect(installed).toBe(false);
  expect(plan.erases).toContain(`${disk.partition(5)}: ext4 "COS_STATE"`);
  expect((await install(disk)).installed).toBe(true);
});

test('someone else’s data is refused before a byte is written, and erased by force', async () => {
  using disk = new LoopDisk(folder, 1024 * MiB);
  Bun.spawnSync(['mkfs.ext4', '-q', '-L', 'photos', disk.device]);
  const before = digest(disk.file);
  const error = await errorOf(install(disk));
  expect([error.code, error.exitCode]).toEqual(['DISK_HAS_DATA', 18]);
  expect(error.message).toContain(`${disk.device}: ext4 "photos"`);
  expect(digest(disk.file)).toBe(before);
  expect((await install(disk, { force: true })).installed).toBe(true);
});

test('a mounted disk, a small disk, a wrong image are refused', async () => {
  {
    using disk = new LoopDisk(folder, 300 * MiB);
    const error = await errorOf(install(disk));
    expect([error.code, error.exitCode]).toEqual(['DISK_TOO_SMALL', 18]);
    expect(error.message).toContain('it has 300 MiB');
    Bun.spawnSync(['mkfs.ext4', '-q', disk.device]);
    mkdirSync(join(folder, 'mnt'));
    Bun.spawnSync(['mount', disk.device, join(folder, 'mnt')]);
    try {
      const mounted = await errorOf(install(disk, { force: true }));
      expect([mounted.code, mounted.exitCode]).toEqual(['DISK_IN_USE', 18]);
      expect(mounted.message).toContain(join(folder, 'mnt'));
    } finally {
      Bun.spawnSync(['umount', join(folder, 'mnt')]);
    }
  }
  using disk = new LoopDisk(folder, 1024 * MiB);
  expect(await errorOf(install(disk, { device: '/dev/no-such-disk' }))).toMatchObject({
    code: 'DISK_NOT_FOUND',
  });
  await writeSyntheticBootForm(folder, { architecture: 'arm64' });
  const error = await errorOf(install(disk));
  expect([error.code, error.exitCode]).toEqual(['WRONG_ARCHITECTURE', 13]);
});

test('a source that breaks off leaves no mounts, and a second run finishes', async () => {
  using disk = new LoopDisk(folder, 1024 * MiB);
  const broken: InstallParts = {
    ...parts,
    async openSource(machine, uri, options) {
      const { image: form, close } = await parts.openSource(machine, uri, options);
      return {
        close,
        image: {
          ...form,
          async *openFrom(file) {
            if (file === 'root.img')
              throw new KairosError('BLOB_TRUNCATED', 'cut', { exit: 'corruptSource' });
            yield* form.open(file);
          },
        },
      };
    },
  };
  expect(await errorOf(install(disk, {}, '  auto: true', broken))).toMatchObject({ code: 'BLOB_TRUNCATED' });
  expect((await install(disk)).installed).toBe(true);
});

test('SIGINT in the middle of a copy stops it and leaves no mounts', async () => {
  using disk = new LoopDisk(folder, 1024 * MiB);
  let sent = false;
  const error = await errorOf(
    install(disk, {
      onProgress({ step, done }) {
        if (step === 'active' && (done ?? 0) > MiB && !sent) {
          sent = true;
          process.kill(process.pid, 'SIGINT');
        }
      },
    }),
  );
  expect([error.code, error.exitCode]).toEqual(['INTERRUPTED', 130]);
  expect(process.listenerCount('SIGINT')).toBe(0);
});

test('prepared partitions are kept, and a full one is told', async () => {
  using disk = new LoopDisk(folder, 1024 * MiB);
  await install(disk);
  const table = disk.table();
  lookInside(disk.partition(3), () => undefined);
  const text = '  no-format: true';
  expect((await install(disk, {}, text)).installed).toBe(true);
  expect(disk.table()).toEqual(table);
  const target = join(folder, 'mnt');
  mkdirSync(target);
  Bun.spawnSync(['mount', disk.partition(5), target]);
  Bun.spawnSync(['rm', '-r', join(target, 'cOS')]);
  Bun.spawnSync(['dd', 'if=/dev/zero', `of=${target}/fill`, 'bs=1M']);
  Bun.spawnSync(['umount', target]);
  const error = await errorOf(install(disk, {}, text));
  expect([error.code, error.exitCode]).toEqual(['NO_SPACE', 17]);
});

test('stages of the configuration run at their places, and the live system sees the mounted partitions', async () => {
  using disk = new LoopDisk(folder, 1024 * MiB);
  const log = join(folder, 'log');
  const step = (stage: string, command: string) =>
    `  ${stage}: [{commands: ["echo ${stage} ${command} >> ${log}"]}]\n`;
  const path = join(folder, 'staged.yaml');
  writeFileSync(
    path,
    `#cloud-config\ninstall: {nousers: true}\nstages:\n${step('kairos-install.pre', '')}${step('before-install', '$(ls /run/cos/state)')}` +
      `${step('after-install', '$(ls /run/cos/state/cOS)')}${step('kairos-install.after', '$(ls /run/cos/state)')}`,
  );
  const result = await install(disk, { configFile: path }, '', { ...parts, runStage: runHookStage });
  expect(result.warnings).toEqual([]);
  expect(
    readFileSync(log, 'utf8')
      .split('\n')
      .map((line) => line.trim()),
  ).toEqual([
    'kairos-install.pre',
    'before-install lost+found',
    'after-install active passive',
    'kairos-install.after',
    '',
  ]);
});

test('a stage that asks to stop, stops', async () => {
  using disk = new LoopDisk(folder, 1024 * MiB);
  const asking: InstallParts = {
    ...parts,
    async runStage(_, stage) {
      if (stage === 'before-install') writeFileSync('/run/cos/fail_installation', 'no licence\n');
    },
  };
  try {
    const error = await errorOf(install(disk, {}, '  auto: true', asking));
    expect(error.message).toBe('/run/cos/fail_installation stops the installation: no licence');
  } finally {
    rmSync('/run/cos/fail_installation', { force: true });
  }
});
