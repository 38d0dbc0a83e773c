import { expect, test } from 'bun:test';
import { grubOffer, vendorOf } from './bootloader.ts';
import { debianRoot, type Entries, fixtureRoot } from './fixture-root.ts';

function offerOf(entries: Entries, architecture: 'amd64' | 'arm64' = 'amd64') {
  const { tree, remove } = fixtureRoot(entries);
  try {
    return grubOffer(tree, architecture);
  } finally {
    remove();
  }
}

test('Debian: modules for BIOS and EFI, signed loaders', () => {
  expect(offerOf(debianRoot)).toEqual({
    bios: '/usr/lib/grub/i386-pc',
    signed: {
      shim: '/usr/lib/shim/shimx64.efi.signed',
      grub: '/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed',
      mokManager: undefined,
    },
    efi: '/usr/lib/grub/x86_64-efi',
  });
});

test('Fedora keeps its signed loaders in /boot, openSUSE in /usr/share/efi', () => {
  expect(
    offerOf({
      'boot/efi/EFI/fedora/shimx64.efi': 'MZ',
      'boot/efi/EFI/fedora/grubx64.efi': 'MZ',
      'boot/efi/EFI/fedora/mmx64.efi': 'MZ',
    }).signed,
  ).toEqual({
    shim: '/boot/efi/EFI/fedora/shimx64.efi',
    grub: '/boot/efi/EFI/fedora/grubx64.efi',
    mokManager: '/boot/efi/EFI/fedora/mmx64.efi',
  });
  expect(
    offerOf({
      'usr/share/efi/x86_64/shim.efi': 'MZ',
      'usr/share/efi/x86_64/grub.efi': 'MZ',
      'usr/share/grub2/i386-pc/boot.img': 'x',
    }),
  ).toMatchObject({ bios: '/usr/share/grub2/i386-pc', signed: { shim: '/usr/share/efi/x86_64/shim.efi' } });
});

test('shim without a signed GRUB is no offer; arm64 has no BIOS', () => {
  expect(offerOf({ 'usr/lib/shim/shimx64.efi.signed': 'MZ' }).signed).toBeUndefined();
  expect(offerOf(debianRoot, 'arm64')).toEqual({ bios: undefined, signed: undefined, efi: undefined });
});

test.each([
  ['MZ\0\0/EFI/debian\0more', 'debian'],
  ['MZ\0/EFI/BOOT\0', undefined],
  ['MZ\0/EFI/../x\0', undefined],
])('the vendor in %j is %p', (text, vendor) => {
  expect(vendorOf(Buffer.from(text))).toBe(vendor);
});
