import { describe, expect, test } from 'bun:test';
import { MiB } from '@kairos/facts/size';
import { debugfsCommands, mke2fsArguments } from './ext4.ts';

const layout = { label: 'COS_STATE', uuid: '11111111-2222-8333-8444-555555555555', size: 100 * MiB };

describe('mke2fsArguments', () => {
  test('a device', () => {
    const argv = mke2fsArguments('/dev/vda5', layout);
    expect(argv.join(' ')).toBe(
      'mke2fs -q -F -t ext4 -b 4096 -I 256 -i 16384 -m 1 -J size=6 -O none,has_journal,ext_attr,resize_inode,dir_index,' +
        'filetype,extent,64bit,flex_bg,sparse_super,large_file,huge_file,dir_nlink,extra_isize,metadata_csum ' +
        '-E root_owner=0:0,lazy_itable_init=0,lazy_journal_init=0,nodiscard ' +
        '-U 11111111-2222-8333-8444-555555555555 -L COS_STATE /dev/vda5 25600',
    );
  });

  test('a place in a file, reproducible, that grows', () => {
    const argv = mke2fsArguments('disk', { ...layout, offset: 3 * MiB, hashSeed: 'seed', grows: true });
    expect(argv[argv.indexOf('-E') + 1]).toBe(
      'offset=3145728,root_owner=0:0,hash_seed=seed,lazy_itable_init=0,lazy_journal_init=1,nodiscard,resize=536870912',
    );
    expect(argv[argv.indexOf('-J') + 1]).toBe('size=64');
  });

  test.each([
    [16, 4],
    [64, 4],
    [512, 32],
    [4000, 64],
  ])('%d MiB have a journal of %d MiB', (size, journal) => {
    expect(mke2fsArguments('disk', { ...layout, size: size * MiB })).toContain(`size=${journal}`);
  });
});

describe('debugfsCommands', () => {
  test('directories first, each once, then files with their modes', () => {
    const file = (source: string, mode: number) => ({ source, size: 1, mode });
    expect(
      debugfsCommands(
        new Map([
          ['/cOS/active/root.img', file('slot/root.img', 0o644)],
          ['/cOS/passive/root.img', file('slot/root.img', 0o644)],
          ['/secret', file('contents/1', 0o600)],
        ]),
      ),
    ).toBe(`mkdir /cOS
mkdir /cOS/active
mkdir /cOS/passive
write slot/root.img /cOS/active/root.img
set_inode_field /cOS/active/root.img mode 0100644
write slot/root.img /cOS/passive/root.img
set_inode_field /cOS/passive/root.img mode 0100644
write contents/1 /secret
set_inode_field /secret mode 0100600
`);
  });

  test.each(['/a b', '/a"', '/a\nrm /b'])('%j is no name for debugfs', (path) => {
    expect(() => debugfsCommands(new Map([[path, { source: 'x', size: 1, mode: 0o644 }]]))).toThrow(
      RangeError,
    );
  });
});
