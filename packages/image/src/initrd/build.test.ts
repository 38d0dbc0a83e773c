import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { KairosError } from '@kairos/facts/errors';
import { directoryHost } from '@kairos/host/directory';
import { buildThinInitrd, type ThinInitrdRequest } from './build.ts';
import { requiredApplets } from './busybox.ts';
import { readCpio } from './cpio-reader.ts';
import { syntheticElf } from './synthetic-elf.ts';

const version = '6.1.0-test';
const modules = `/root/usr/lib/modules/${version}`;
const applets = `\0${requiredApplets.join('\0')}\0vi\0`;
let folder: string;
let host: ReturnType<typeof directoryHost>;

const module = (info: string[] = []) => syntheticElf({ moduleInfo: info });
const loader = '/lib64/ld-linux-x86-64.so.2';

/** The smallest root that a slot's kernel and tools make sense in. */
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'initrd-'));
  host = directoryHost(folder);
  const { files } = host;
  const tree: Record<string, string | Uint8Array> = {
    [`${modules}/modules.dep`]: [
      'kernel/loop.ko:',
      'kernel/dm-mod.ko:',
      'kernel/dm-bufio.ko: kernel/dm-mod.ko',
      'kernel/dm-verity.ko: kernel/dm-bufio.ko kernel/dm-mod.ko',
      'kernel/erofs.ko.gz:',
      'kernel/ext4.ko.zst:',
      'kernel/xhci-pci.ko:',
      'kernel/uas.ko:',
      'kernel/usbhid.ko:',
      'kernel/sound.ko:',
      ...['i6300esb', 'iTCO_wdt', 'sp5100_tco', 'softdog'].map(
        (name) => `kernel/${name}.ko: kernel/watchdog.ko`,
      ),
      'kernel/watchdog.ko:',
    ].join('\n'),
    [`${modules}/modules.builtin`]: 'kernel/fs/overlayfs/overlay.ko\n',
    [`${modules}/modules.alias`]: ['xhci_pci', 'uas', 'usbhid', 'sound', 'i6300esb']
      .map((m) => `alias hw:${m} ${m}\n`)
      .join(''),
    [`${modules}/kernel/loop.ko`]: module(),
    [`${modules}/kernel/dm-mod.ko`]: module(),
    [`${modules}/kernel/dm-bufio.ko`]: module(),
    [`${modules}/kernel/dm-verity.ko`]: module(),
    [`${modules}/kernel/erofs.ko.gz`]: Bun.gzipSync(Uint8Array.from(module(['license=GPL']))),
    [`${modules}/kernel/ext4.ko.zst`]: Bun.zstdCompressSync(Uint8Array.from(module(['license=GPL v2']))),
    [`${modules}/kernel/xhci-pci.ko`]: module(['firmware=renesas.mem', 'firmware=absent.mem']),
    [`${modules}/kernel/uas.ko`]: module(),
    [`${modules}/kernel/usbhid.ko`]: module(),
    [`${modules}/kernel/sound.ko`]: module(),
    [`${modules}/kernel/i6300esb.ko`]: module(),
    [`${modules}/kernel/iTCO_wdt.ko`]: module(),
    [`${modules}/kernel/sp5100_tco.ko`]: module(),
    [`${modules}/kernel/softdog.ko`]: module(),
    [`${modules}/kernel/watchdog.ko`]: module(),
    '/root/usr/lib/modprobe.d/blacklist_linux.conf': 'blacklist i6300esb\nblacklist iTCO_wdt\n',
    '/root/usr/lib/firmware/renesas.mem.xz': 'firmware',
    '/root/etc/modprobe.d/local.conf':
      'blacklist uas\nblacklist sp5100_tco\noptions loop max_loop=16\noptions iTCO_wdt heartbeat=60\noptions sound index=1\n',
    [`/root/boot/config-${version}`]: 'CONFIG_RD_GZIP=y\nCONFIG_RD_ZSTD=y\n# CONFIG_RD_XZ is not set\n',
    '/root/usr/sbin/dmsetup': syntheticElf({ interpreter: loader, needed: ['libdm.so.1', 'libc.so.6'] }),
    '/root/usr/sbin/blkid': syntheticElf({ interpreter: loader, needed: ['libc.so.6', 'libprivate.so'] }),
    '/root/usr/lib/x86_64-linux-gnu/ld-real.so': syntheticElf(),
    '/root/usr/lib/x86_64-linux-gnu/libdm.so.1.2': syntheticElf({ needed: ['libc.so.6'] }),
    '/root/usr/lib/x86_64-linux-gnu/libc.so.6': syntheticElf({ needed: ['ld-linux-x86-64.so.2'] }),
    '/root/etc/ld.so.conf.d/private.conf': '# comment\n/opt/private\n',
    '/root/opt/private/libprivate.so': syntheticElf(),
    '/root/usr/bin/busybox': syntheticElf({ tail: applets }),
  };
  for (const [path, content] of Object.entries(tree)) {
    mkdirSync(dirname(files.real(path)), { recursive: true });
    writeFileSync(files.real(path), content);
  }
  files.symlink('libdm.so.1.2', '/root/usr/lib/x86_64-linux-gnu/libdm.so.1');
  files.symlink('usr/lib64', '/root/lib64');
  // Absolute, as some distributions have it: it must not lead to the machine's own loader.
  files.symlink('/usr/lib/x86_64-linux-gnu/ld-real.so', '/root/usr/lib64/ld-linux-x86-64.so.2');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function build(more: Partial<ThinInitrdRequest> = {}) {
  return buildThinInitrd(host, {
    root: '/root',
    kernelVersion: version,
    architecture: 'amd64',
    output: '/out/initrd',
    ...more,
  });
}

function contents(): Map<string, string> {
  const archive = Bun.zstdDecompressSync(readFileSync(join(folder, 'out/initrd')));
  return new Map(
    readCpio(archive).map(({ path, mode, data }) => [
      path,
      mode.startsWith('120')
        ? `-> ${new TextDecoder().decode(data)}`
        : new TextDecoder('latin1').decode(data),
    ]),
  );
}

async function errorOf(promise: Promise<unknown>): Promise<KairosError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof KairosError) return error;
  throw new Error(`expected a KairosError, got ${error}`);
}

describe('buildThinInitrd', () => {
  test('takes the modules, the programs with their libraries, and the firmware', async () => {
    const result = await build();
    expect(result.compression).toBe('zstd');
    expect([...result.modules]).toEqual([
      ...['loop', 'dm_mod', 'dm_bufio', 'dm_verity', 'erofs', 'ext4', 'uas', 'xhci_pci'],
      ...['watchdog', 'i6300esb', 'sp5100_tco', 'iTCO_wdt', 'softdog', 'usbhid'],
    ]);
    expect(result.missing).toContain('squashfs');
    expect(result.missing).not.toContain('overlay');
    expect([...result.firmware]).toEqual(['renesas.mem']);
    const lib = 'usr/lib/x86_64-linux-gnu';
    expect(result.files.filter((path) => !path.startsWith('etc/') && !path.includes('modules'))).toEqual([
      'init',
      'usr/bin/blkid',
      'usr/bin/busybox',
      'usr/bin/dmsetup',
      'usr/lib/libprivate.so',
      `${lib}/libc.so.6`,
      `${lib}/libdm.so.1`,
      'usr/lib64/ld-linux-x86-64.so.2',
    ]);
    const inside = contents();
    const base = `usr/lib/modules/${version}`;
    expect(inside.get(`${base}/kernel/erofs.ko`)).toContain('license=GPL');
    expect(inside.get(`${base}/kernel/ext4.ko`)).toContain('license=GPL v2');
    expect(inside.get(`${base}/modules.dep`)).toContain(
      'kernel/dm-verity.ko: kernel/dm-bufio.ko kernel/dm-mod.ko\n',
    );
    // uas is blacklisted; keyboards wait for a shell; sound is not wanted.
    expect(inside.get(`${base}/modules.alias`)).toBe('alias hw:xhci_pci xhci_pci\n');
    expect(inside.get('etc/rescue-modules')).toBe('usbhid');
    expect(inside.get('etc/modprobe.d/image.conf')).toContain('options loop async_probe=1 max_loop=16\n');
    expect(inside.get('etc/modprobe.d/image.conf')).not.toContain('sound');
    expect(inside.get('usr/lib/firmware/renesas.mem.xz')).toBe('firmware');
    expect(inside.get('usr/bin/sh')).toBe('-> busybox');
    expect(inside.get('usr/bin/vi')).toBe('-> busybox');
    expect(inside.has('usr/bin/less')).toBe(false);
    expect(inside.get('lib64')).toBe('-> usr/lib64');
    expect(inside.get('init')).toStartWith('#!/bin/sh\n');
  });

  test('watchdogs are loaded by name for a trial, the kernel’s own last, unless the administrator refuses', async () => {
    await build();
    const inside = contents();
    expect(inside.get('etc/trial-modules')).toBe('i6300esb\niTCO_wdt\nsoftdog');
    expect(inside.get(`usr/lib/modules/${version}/modules.alias`)).not.toContain('i6300esb');
    // Whoever loads one wants its device at once.
    const options = inside.get('etc/modprobe.d/image.conf')?.split('\n');
    expect(options?.filter((line) => /i6300esb|iTCO_wdt|softdog/.test(line))).toEqual([
      'options iTCO_wdt heartbeat=60',
    ]);
  });

  test('gives the same bytes again and leaves nothing beside them', async () => {
    await build();
    const first = readFileSync(join(folder, 'out/initrd'));
    await build();
    expect(readFileSync(join(folder, 'out/initrd'))).toEqual(first);
    expect(readdirSync(join(folder, 'out'))).toEqual(['initrd']);
  });

  test('takes more modules when asked', async () => {
    expect((await build({ extraModules: ['sound'] })).modules).toContain('sound');
    expect(contents().get(`usr/lib/modules/${version}/modules.alias`)).toContain('alias hw:sound sound');
    expect(await errorOf(build({ extraModules: ['sund'] }))).toMatchObject({
      code: 'MODULE_UNKNOWN',
      message: `Kernel ${version} has no module sund`,
    });
  });

  const refusals: readonly (readonly [string, string, () => void, Partial<ThinInitrdRequest>?])[] = [
    [
      'KERNEL_LACKS_MODULES',
      'nor as a module: dm-verity (loop device and device mapper); overlay (writable layer of a live system)',
      () => {
        host.files.write(`${modules}/modules.builtin`, '');
        host.files.write(
          `${modules}/modules.dep`,
          'kernel/loop.ko:\nkernel/dm-mod.ko:\nkernel/erofs.ko.gz:\nkernel/ext4.ko.zst:\n',
        );
      },
    ],
    ['KERNEL_MODULES_MISSING', 'no modules for kernel 6.2.0', () => undefined, { kernelVersion: '6.2.0' }],
    ['KERNEL_VERSION', '"../x" is not a kernel version', () => undefined, { kernelVersion: '../x' }],
    ['COMPRESSION_UNSUPPORTED', 'compressed with xz', () => undefined, { compression: 'xz' }],
    ['PROGRAM_MISSING', 'no dmsetup', () => host.files.remove('/root/usr/sbin/dmsetup')],
    ['PROGRAM_MISSING', 'no blkid', () => host.files.symlink('../bin/busybox', '/root/usr/sbin/blkid')],
    [
      'LIBRARY_MISSING',
      'needs libprivate.so, which the root does not have',
      () => host.files.remove('/root/opt/private'),
    ],
    [
      'ELF_WRONG_ARCHITECTURE',
      '/usr/sbin/dmsetup is for amd64, the image for arm64',
      () => host.files.write('/root/usr/bin/busybox', syntheticElf({ machine: 183, tail: applets })),
      { architecture: 'arm64' },
    ],
    [
      'BUSYBOX_MISSING',
      '/named/busybox: lacks awk, cat',
      () => host.files.write('/named/busybox', syntheticElf({ tail: '\0sh\0' })),
      { busybox: '/named/busybox' },
    ],
    [
      'DECOMPRESSION_FAILED',
      `erofs.ko.gz (9 bytes)`,
      () => host.files.write(`${modules}/kernel/erofs.ko.gz`, 'truncated'),
    ],
  ];
  test.each(refusals)('%s: %s', async (code, message, damage, more) => {
    damage();
    const error = await errorOf(build(more));
    expect(error.code).toBe(code);
    expect(error.message).toContain(message);
    expect(host.files.list('/out')).toEqual([]);
  });
});
