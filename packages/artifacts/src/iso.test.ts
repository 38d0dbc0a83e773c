import { describe, expect, test } from 'bun:test';
import { xorrisoArguments } from './iso.ts';

const request = {
  output: 'out.iso',
  label: 'COS_LIVE',
  diskGuid: '00000000-0000-8000-8000-000000000000',
  epoch: 1_700_000_000,
  bios: true,
  efi: true,
  files: new Map([['/cOS/live/root.img', 'slot/root.img']]),
  secret: ['/config.yaml'],
};
const firstAfter = (argv: readonly string[], option: string) => argv[argv.indexOf(option) + 1];

describe('xorrisoArguments', () => {
  test('a hybrid for BIOS and EFI', () => {
    expect(xorrisoArguments(request).join(' ')).toBe(
      [
        'xorriso -no_rc -as mkisofs -o out.iso -V COS_LIVE -preparer KAIROS -iso-level 3 -r -J -joliet-long -f -no-pad',
        '--set_all_file_dates =1700000000',
        '-c boot/boot.catalog -b boot/eltorito.img -no-emul-boot -boot-load-size 4 -boot-info-table --grub2-boot-info',
        '--grub2-mbr boot_hybrid.img',
        '-partition_offset 16 --gpt_disk_guid 00000000-0000-8000-8000-000000000000',
        '-append_partition 2 C12A7328-F81F-11D2-BA4B-00A0C93EC93B efi.img -appended_part_as_gpt',
        '--mbr-force-bootable -eltorito-alt-boot -e --interval:appended_partition_2:all:: -no-emul-boot',
        '-graft-points /cOS/live/root.img=slot/root.img -- -chmod 0600 /config.yaml --',
      ].join(' '),
    );
  });

  test('a machine without BIOS has EFI as its first boot image', () => {
    const argv = xorrisoArguments({ ...request, bios: false, secret: [] });
    expect(argv).not.toContain('-b');
    expect(argv).not.toContain('--grub2-mbr');
    expect(argv).not.toContain('-eltorito-alt-boot');
    expect(firstAfter(argv, '-c')).toBe('boot/boot.catalog');
    expect(argv.at(-1)).toBe('--');
  });

  test('without EFI there is no second partition', () => {
    const argv = xorrisoArguments({ ...request, efi: false });
    expect(argv).toContain('--grub2-mbr');
    expect(argv).not.toContain('-append_partition');
    expect(argv).not.toContain('-e');
  });
});
