import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  cpSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Artifact, ArtifactProgress } from '@kairos/artifacts/artifact';
import { buildIso } from '@kairos/artifacts/iso';
import { buildQcow2 } from '@kairos/artifacts/qcow2';
import { buildRaw, planRaw } from '@kairos/artifacts/raw';
import { parseGrubEnvironment } from '@kairos/host/grub-environment';
import { machineHost } from '@kairos/host/machine';
import { bootFormFromDirectory } from '@kairos/oci/boot-form-directory';
import { errorOf } from '../src/error-of.ts';
import { run } from '../src/run-tool.ts';
import { writeTinySlot } from '../src/tiny-image.ts';

setDefaultTimeout(120_000);
const host = machineHost();
const work = mkdtempSync(join(tmpdir(), 'artifacts-'));
const slot = join(work, 'slot');
const cloudConfig = `#cloud-config
hostname: tiny
grub_options: { extra_cmdline: of-the-node, kairos_timeout: 7, default_menu_entry: '{{ .MachineID }}' }
install: { grub_options: { extra_cmdline: of-the-installation } }
`;
const medium = { kernelArguments: ['console=hvc0', 'quiet'], menuTimeout: 0 };
const epoch = 1_700_000_000;
/** Of the raw disk: its holes cost time too, when digests are made. */
const size = 700 * 1024 ** 2;
/** All of an artifact but the image. */
const content = { epoch, cloudConfig, size, medium };
const builders = { iso: buildIso, raw: buildRaw };
type Kind = keyof typeof builders;
const kinds = Object.keys(builders) as Kind[];
const made = {} as Record<Kind, Artifact>;

const build = (kind: Kind, output: string, more: { form?: string; signal?: AbortSignal } = {}) =>
  builders[kind](host, {
    bootForm: bootFormFromDirectory(more.form ?? slot),
    output,
    ...content,
    ...(more.signal ? { signal: more.signal } : {}),
  });
/** A new folder, removed with all others at the end. */
const folder = (name: string) => {
  const path = join(work, name);
  mkdirSync(path);
  return path;
};

beforeAll(async () => {
  chmodSync(work, 0o755);
  writeTinySlot(slot);
  const first = folder('first');
  for (const kind of kinds) made[kind] = await build(kind, join(first, `kairos.${kind}`));
});
afterAll(() => rmSync(work, { recursive: true, force: true }));

describe('what is made', () => {
  test.each(kinds)('%s: nothing lies beside it but its checksum', (kind) => {
    const { path, size, digest } = made[kind];
    expect(statSync(path).size).toBe(size);
    expect(
      run(
        'sh',
        '-c',
        'cd "$1" && sha256sum --check --quiet "$2"',
        'sh',
        join(path, '..'),
        `kairos.${kind}.sha256`,
      ),
    ).toBe('');
    expect(readFileSync(`${path}.sha256`, 'utf8')).toBe(`${digest.slice(7)}  kairos.${kind}\n`);
    expect(readdirSync(join(path, '..')).sort()).toEqual([
      'kairos.iso',
      'kairos.iso.sha256',
      'kairos.raw',
      'kairos.raw.sha256',
    ]);
  });

  test('the ISO holds the slot, the menus and the cloud-config', () => {
    const out = folder('iso-content');
    const { path } = made.iso;
    run('xorriso', '-no_rc', '-osirrox', 'on', '-indev', path, '-extract', '/', join(out, 'iso'));
    for (const name of readdirSync(slot)) {
      expect(readFileSync(join(out, 'iso/cOS/live', name)).equals(readFileSync(join(slot, name)))).toBe(true);
    }
    expect(readFileSync(join(out, 'iso/config.yaml'), 'utf8')).toBe(cloudConfig);
    expect(readFileSync(join(out, 'iso/boot/grub2/grub.cfg'), 'utf8')).toContain('LIVE-STARTED');
    expect(parseGrubEnvironment(readFileSync(join(out, 'iso/boot/grub2/grubenv')), 'grubenv')).toEqual({
      ...{ extra_cmdline: 'console=hvc0 quiet', kairos_timeout: '0' },
    });
    expect(readFileSync(join(out, 'iso/EFI/debian/grub.cfg'), 'utf8')).toContain('--label COS_LIVE');
    const listed = run('xorriso', '-no_rc', '-indev', path, '-find', '/', '-exec', 'lsdl');
    const lines = listed.trim().split('\n');
    expect(lines.length).toBeGreaterThan(15);
    for (const line of lines) expect(line).toMatch(/^\S+\s+\d+ 0\s+0\s+\d+ Nov 14\s+2023 /);
    expect(listed).toMatch(/^-rw------- .*'\/config.yaml'$/m);
  });

  test('the ISO is bootable in every way', () => {
    const { path } = made.iso;
    const report = run(
      ...(['xorriso', '-no_rc', '-indev', path, '-pvd_info'] as const),
      ...['-report_el_torito', 'plain', '-report_system_area', 'plain'],
    );
    expect(report).toContain('Volume Id    : COS_LIVE');
    expect(report).toMatch(/El Torito boot img : {3}1 {2}BIOS {2}y/);
    expect(report).toMatch(/El Torito boot img : {3}2 {2}UEFI {2}y/);
    expect(report).toContain('boot-info-table grub2-boot-info');
    expect(report).toMatch(/System area summary: MBR protective-msdos-label grub2-mbr .*GPT/);
    expect(report).toMatch(/MBR partition {6}: {3}2 {3}0x80/);
    expect(run('sgdisk', '--verify', path)).toContain('No problems found');
    const [, start] = /^\s+2\s+(\d+)\s+\d+ .*EF00/m.exec(run('sgdisk', '--print', path)) ?? [];
    const efi = `${path}@@${Number(start) * 512}`;
    expect(run('mdir', '-b', '-/', '-i', efi, '::').trim().split('\n').sort()).toEqual([
      '::/EFI/',
      '::/EFI/BOOT/',
      '::/EFI/BOOT/BOOTX64.EFI',
      '::/EFI/BOOT/grub.cfg',
      '::/EFI/debian/',
      '::/EFI/debian/grub.cfg',
    ]);
  });

  test('the raw disk holds file systems that are whole, with what belongs in them', () => {
    const { path } = made.raw;
    expect(run('sgdisk', '--verify', path)).toContain('No problems found');
    const out = folder('raw-content');
    const plan = planRaw({ bootForm: bootFormFromDirectory(slot), output: path, epoch, size });
    const expected: Record<string, readonly string[]> = {
      oem: ['90_custom.yaml', 'grubenv'],
      recovery: [...readdirSync(slot).map((name) => `cOS/recovery/${name}`), 'grub2/grub.cfg'],
      state: [
        ...['active', 'passive'].flatMap((role) => readdirSync(slot).map((name) => `cOS/${role}/${name}`)),
        ...['boot_assessment', 'grub2/grub.cfg', 'grub_oem_env'],
      ],
      persistent: [],
    };
    for (const { name, label, filesystem, start, size } of plan.partitions) {
      if (filesystem === 'vfat') {
        const part = join(out, 'efi.img');
        run(
          ...(['dd', `if=${path}`, `of=${part}`, 'bs=1M', 'conv=sparse', 'status=none'] as const),
          ...[`skip=${start / 2 ** 20}`, `count=${size / 2 ** 20}`],
        );
        run('fsck.vfat', '-n', part);
        expect(run('blkid', '-p', '-o', 'value', '-s', 'LABEL', part)).toBe(`${label}\n`);
        expect(run('mdir', '-b', '-i', part, '::/EFI/BOOT')).toContain('BOOTX64.EFI');
        continue;
      }
      if (filesystem !== 'ext4') continue;
      const device = `${path}?offset=${start}`;
      run('e2fsck', '-f', '-n', device);
      expect(run('blkid', '-p', '-O', String(start), '-o', 'value', '-s', 'LABEL', path)).toBe(`${label}\n`);
      const files = join(out, name);
      mkdirSync(files);
      run('debugfs', '-R', `rdump / ${files}`, device);
      rmSync(join(files, 'lost+found'), { recursive: true });
      const found = readdirSync(files, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name).slice(files.length + 1));
      expect(found.sort()).toEqual([...(expected[name] ?? ['?'])].sort());
      for (const file of found.filter((each) => each.startsWith('cOS/'))) {
        const original = readFileSync(join(slot, file.slice(file.lastIndexOf('/') + 1)));
        expect(readFileSync(join(files, file)).equals(original)).toBe(true);
      }
      // Owner, group and time as they are on the disk, not as rdump leaves them.
      for (const file of found) {
        const inode = run('debugfs', '-R', `stat /${file}`, device);
        expect(inode).toMatch(/User:\s+0\s+Group:\s+0\s/);
        expect(inode).toContain('mtime: 0x6553f100');
        expect(inode).toContain(`Mode:  ${file === '90_custom.yaml' ? '0600' : '0644'}`);
      }
    }
    expect(readFileSync(join(out, 'oem/90_custom.yaml'), 'utf8')).toBe(cloudConfig);
    expect(parseGrubEnvironment(readFileSync(join(out, 'oem/grubenv')), 'grubenv')).toEqual({
      ...{ extra_cmdline: 'of-the-installation', kairos_timeout: '7' },
    });
  });

  test('the raw disk has holes', () => {
    const { blocks, size } = statSync(made.raw.path);
    expect(blocks * 512).toBeLessThan(size / 8);
  });
});

test.each(kinds)(
  '%s: an ordinary user elsewhere and later gets the same bytes',
  async (kind) => {
    const place = folder(`user-${kind}`);
    const copy = join(place, 'slot of another');
    cpSync(slot, copy, { recursive: true });
    for (const name of readdirSync(copy)) {
      utimesSync(join(copy, name), 1, 1);
      chmodSync(join(copy, name), 0o444);
    }
    const script = join(place, 'worker.js');
    const bundle = await Bun.build({
      entrypoints: [join(import.meta.dir, '../src/artifact-worker.ts')],
      target: 'bun',
    });
    writeFileSync(script, (await bundle.outputs[0]?.text()) ?? '');
    // The user may not be able to reach the Bun of this working copy.
    const bun = join(place, 'bun');
    copyFileSync(process.execPath, bun);
    chmodSync(bun, 0o755);
    const result = join(place, 'result');
    mkdirSync(result);
    const root = process.getuid?.() === 0;
    if (root) chownSync(result, 65534, 65534);
    const lower = root
      ? ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--bounding-set=-all']
      : [];
    const child = Bun.spawnSync(
      [...lower, bun, script, kind, copy, join(result, 'other name'), JSON.stringify(content)],
      {
        env: {
          PATH: '/usr/bin:/bin',
          HOME: '/nonexistent',
          TZ: 'Asia/Tokyo',
          LANG: 'de_DE.UTF-8',
          TMPDIR: result,
        },
        cwd: '/',
      },
    );
    expect(child.stderr.toString()).toBe('');
    const artifact = JSON.parse(child.stdout.toString());
    if (root) expect(artifact.uid).toBe(65534);
    expect(artifact.digest).toBe(made[kind].digest);
    expect(readdirSync(result).sort()).toEqual(['other name', 'other name.sha256']);
  },
  60_000,
);

describe('failure leaves what was there', () => {
  test.each(kinds)('%s: a damaged image', async (kind) => {
    const place = folder(`damaged-${kind}`);
    const form = join(place, 'slot');
    cpSync(slot, form, { recursive: true });
    const root = readFileSync(join(form, 'root.img'));
    root[1000] = (root[1000] ?? 0) ^ 1;
    writeFileSync(join(form, 'root.img'), root);
    writeFileSync(join(place, 'out'), 'old');
    expect((await errorOf(build(kind, join(place, 'out'), { form }))).code).toBe('DIGEST_MISMATCH');
    expect(readdirSync(place).sort()).toEqual(['out', 'slot']);
    expect(readFileSync(join(place, 'out'), 'utf8')).toBe('old');
  });

  test.each(
    kinds.flatMap((kind) => (['image', 'write', 'digest'] as const).map((step) => [kind, step] as const)),
  )('%s: interrupted at the step %s', async (kind, step) => {
    const place = folder(`interrupted-${kind}-${step}`);
    const controller = new AbortController();
    const error = await errorOf(
      builders[kind](host, {
        ...{
          bootForm: bootFormFromDirectory(slot),
          output: join(place, 'out'),
          epoch,
          signal: controller.signal,
          size,
        },
        onProgress: (progress: ArtifactProgress) => {
          if (progress.step === step) controller.abort();
        },
      }),
    );
    expect([error.code, error.exitCode]).toEqual(['INTERRUPTED', 130]);
    expect(readdirSync(place)).toEqual([]);
  });

  test.each(kinds)('%s: not enough space is said before anything is written', async (kind) => {
    const place = folder(`small-${kind}`);
    const small = { ...host, freeSpace: () => 1000 };
    const error = await errorOf(
      builders[kind](small, { bootForm: bootFormFromDirectory(slot), output: join(place, 'out'), epoch }),
    );
    expect([error.code, error.exitCode]).toEqual(['NO_SPACE', 17]);
    expect(error.message).toContain('are needed, 1000 B are free');
    expect(readdirSync(place)).toEqual([]);
  });

  test.each(kinds)('%s: a disk that fills up', async (kind) => {
    const place = folder(`full-${kind}`);
    run('mount', '-t', 'tmpfs', '-o', 'size=12m', 'tmpfs', place);
    try {
      const hopeful = { ...host, freeSpace: () => Number.MAX_SAFE_INTEGER };
      const error = await errorOf(
        builders[kind](hopeful, { bootForm: bootFormFromDirectory(slot), output: join(place, 'out'), epoch }),
      );
      expect([error.code, error.exitCode]).toEqual(['NO_SPACE', 17]);
      expect(readdirSync(place)).toEqual([]);
    } finally {
      run('umount', place);
    }
  });

  test.each(kinds)('%s: a cloud-config that cannot be read', async (kind) => {
    const place = folder(`config-${kind}`);
    const error = await errorOf(
      builders[kind](host, {
        ...{ bootForm: bootFormFromDirectory(slot), output: join(place, 'out'), epoch },
        ...{ cloudConfig: 'users: [\n', cloudConfigFile: 'my.yaml' },
      }),
    );
    expect([error.code, error.position?.file]).toEqual(['YAML_INVALID', 'my.yaml']);
    expect(readdirSync(place)).toEqual([]);
  });

  test('a folder as output, a folder that is a file', async () => {
    const place = folder('odd');
    expect((await errorOf(build('iso', place))).code).toBe('OUTPUT_IS_DIRECTORY');
    writeFileSync(join(place, 'file'), '');
    expect((await errorOf(build('iso', join(place, 'file/out')))).code).toBe('OUTPUT_NOT_WRITABLE');
    expect(readdirSync(place)).toEqual(['file']);
  });

  test('a device as output stays a device', async () => {
    const place = folder('device');
    const device = join(place, 'null');
    const made = Bun.spawnSync(['mknod', device, 'c', '1', '3']);
    expect(made.exitCode).toBe(0);
    symlinkSync('null', join(place, 'link'));
    for (const kind of ['iso', 'raw'] as const) {
      for (const name of ['null', 'link']) {
        expect((await errorOf(build(kind, join(place, name)))).code).toBe('OUTPUT_IS_DEVICE');
      }
    }
    expect(lstatSync(device).isCharacterDevice()).toBe(true);
    expect(readdirSync(place).sort()).toEqual(['link', 'null']);
  });
});

test('qcow2 holds the same disk', async () => {
  const place = folder('qcow2');
  const form = bootFormFromDirectory(slot);
  const one = await buildQcow2(host, {
    bootForm: form,
    output: join(place, 'a.qcow2'),
    size,
    epoch,
    cloudConfig,
  });
  expect(run('qemu-img', 'compare', '-f', 'qcow2', '-F', 'raw', one.path, made.raw.path)).toContain(
    'identical',
  );
  const two = await buildQcow2(host, {
    bootForm: form,
    output: join(place, 'b.qcow2'),
    size,
    epoch,
    cloudConfig,
  });
  expect(two.digest).toBe(one.digest);
  expect(readdirSync(place).sort()).toEqual(['a.qcow2', 'a.qcow2.sha256', 'b.qcow2', 'b.qcow2.sha256']);
});

test('files of an image that lies in an archive are kept in the working directory meanwhile', async () => {
  const place = folder('streamed');
  const { path: _, ...form } = bootFormFromDirectory(slot);
  for (const kind of kinds) {
    const { digest } = await builders[kind](host, {
      ...{
        bootForm: form,
        ...content,
        output: join(place, kind),
        workDirectory: folder(`kept-${kind}`),
      },
    });
    expect(digest).toBe(made[kind].digest);
    expect(readdirSync(join(work, `kept-${kind}`))).toEqual([]);
  }
});
