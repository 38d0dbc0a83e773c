import { describe, expect, test } from 'bun:test';
import type { BootForm } from '@kairos/oci/boot-form';
import { packTar, type TarEntry } from 'modern-tar';
import {
  efiSystemFiles,
  menuStub,
  parseBootloaderPayload,
  readBootloaderPayload,
} from './bootloader-payload.ts';

const efi = (text: string) => `MZ${text}`;
const whole: Record<string, string> = {
  'bios/boot.img': 'b'.repeat(512),
  'bios/core.img': 'core',
  'bios/eltorito.img': 'eltorito',
  'bios/boot_hybrid.img': 'h'.repeat(512),
  'efi/bootx64.efi': efi('shim'),
  'efi/grubx64.efi': efi('grub'),
  'efi/mmx64.efi': efi('mok'),
  'efi/vendor': 'debian\n',
  'grub.cfg': 'disk',
  'grub-live.cfg': 'live',
};
const tarOf = (files: Record<string, string>, extra: TarEntry[] = []) =>
  packTar([
    { header: { name: 'bios/', type: 'directory', size: 0 } },
    ...Object.entries(files).map(([name, body]) => ({ header: { name, size: body.length }, body })),
    ...extra,
  ]);
const without = (...names: string[]) =>
  Object.fromEntries(
    Object.entries(whole).filter(([name]) => !names.some((prefix) => name.startsWith(prefix))),
  );
const parse = async (files: Record<string, string>, extra?: TarEntry[]) =>
  parseBootloaderPayload(await tarOf(files, extra), 'amd64', 'the image');
const text = (bytes: Uint8Array | undefined) => Buffer.from(bytes ?? []).toString();

describe('parseBootloaderPayload', () => {
  test('all of it', async () => {
    const payload = await parse(whole);
    expect(text(payload.bios?.bootImage)).toBe('b'.repeat(512));
    expect(text(payload.bios?.coreImage)).toBe('core');
    expect(text(payload.bios?.eltoritoImage)).toBe('eltorito');
    expect(text(payload.bios?.hybridImage)).toBe('h'.repeat(512));
    expect(payload.efi?.vendor).toBe('debian');
    expect([...(payload.efi?.files.keys() ?? [])]).toEqual(['bootx64.efi', 'grubx64.efi', 'mmx64.efi']);
    expect([text(payload.diskConfig), text(payload.liveConfig)]).toEqual(['disk', 'live']);
  });

  test('only EFI, only BIOS', async () => {
    expect((await parse(without('bios/'))).bios).toBeUndefined();
    expect((await parse(without('efi/'))).efi).toBeUndefined();
    const plain = await parse(without('efi/grub', 'efi/mm', 'efi/vendor'));
    expect(plain.efi).toMatchObject({ vendor: undefined, loaderName: 'bootx64.efi' });
  });

  test.each([
    ['no boot loader', without('bios/', 'efi/'), 'neither for BIOS nor for EFI'],
    ['half of BIOS', without('bios/core'), 'bios/core.img is missing'],
    ['a long boot.img', { ...whole, 'bios/boot.img': 'x' }, 'bios/boot.img has 1 bytes instead of 512'],
    ['EFI of another machine', { ...without('efi/'), 'efi/bootaa64.efi': efi('') }, 'no efi/bootx64.efi'],
    [
      'a script as loader',
      { ...whole, 'efi/bootx64.efi': '#!/bin/sh' },
      'efi/bootx64.efi is not an EFI program',
    ],
    ['a vendor that climbs', { ...whole, 'efi/vendor': '../..' }, 'efi/vendor names "../.."'],
    ['a vendor over BOOT', { ...whole, 'efi/vendor': 'boot' }, 'efi/vendor names "boot"'],
    ['no menu', without('grub.cfg'), 'grub.cfg is missing'],
    ['no live menu', without('grub-live.cfg'), 'grub-live.cfg is missing'],
  ])('%s is refused', async (_, files, reason) => {
    await expect(parse(files)).rejects.toMatchObject({
      code: 'BOOTLOADER_INVALID',
      exit: 'corruptSource',
      message: expect.stringContaining(reason),
    });
  });

  test('links and doubles are refused', async () => {
    await expect(
      parse(whole, [{ header: { name: 'efi/x', type: 'symlink', linkname: '/etc/shadow', size: 0 } }]),
    ).rejects.toThrow('"efi/x" is a symlink');
    await expect(parse(whole, [{ header: { name: './grub.cfg', size: 1 }, body: 'x' }])).rejects.toThrow(
      '"grub.cfg" is there twice',
    );
  });

  test('a cut archive is refused', async () => {
    const tar = await tarOf(whole);
    for (const size of [0, 100, 512, 700, 2000]) {
      await expect(parseBootloaderPayload(tar.subarray(0, size), 'amd64', 'the image')).rejects.toMatchObject(
        {
          code: 'BOOTLOADER_INVALID',
        },
      );
    }
  });
});

describe('readBootloaderPayload', () => {
  const form = (tar: Uint8Array, size: number | undefined) =>
    ({
      source: 'the image',
      manifest: { architecture: 'amd64' },
      files: new Map(size === undefined ? [] : [['bootloader.tar', size]]),
      async *open() {
        yield tar.subarray(0, 1000);
        yield tar.subarray(1000);
      },
    }) as unknown as BootForm;

  test('is read in chunks', async () => {
    const tar = await tarOf(whole);
    expect(text((await readBootloaderPayload(form(tar, tar.length))).diskConfig)).toBe('disk');
  });

  test('a wrong size and a missing file are refused', async () => {
    const tar = await tarOf(whole);
    await expect(readBootloaderPayload(form(tar, tar.length - 1))).rejects.toThrow('larger than the');
    await expect(readBootloaderPayload(form(tar, tar.length + 1))).rejects.toThrow('bytes instead of');
    await expect(readBootloaderPayload(form(tar, 65 * 2 ** 20))).rejects.toThrow(
      '65.0 MiB, more than 64.0 MiB',
    );
    await expect(readBootloaderPayload(form(tar, undefined))).rejects.toThrow('it is missing');
  });
});

test('files of the EFI system partition', async () => {
  const { efi: payload } = await parse(whole);
  if (payload === undefined) throw new Error('no EFI');
  const files = efiSystemFiles(payload, menuStub('disk'));
  expect([...files.keys()]).toEqual([
    'EFI/BOOT/BOOTX64.EFI',
    'EFI/BOOT/grubx64.efi',
    'EFI/BOOT/mmx64.efi',
    'EFI/BOOT/grub.cfg',
    'EFI/debian/grub.cfg',
  ]);
  expect(text(files.get('EFI/BOOT/BOOTX64.EFI'))).toBe('MZshim');
  expect(text(files.get('EFI/debian/grub.cfg'))).toContain(
    '--label COS_STATE --hint "$disk" --hint "$disk,"',
  );
  expect(menuStub('live')).toContain('configfile "($root)/boot/grub2/grub.cfg"');
});
