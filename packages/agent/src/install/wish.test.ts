import { expect, test } from 'bun:test';
import { mergeDocuments } from '@kairos/config/collect';
import type { InstallConfig } from './config.ts';
import { wishOf } from './wish.ts';

const collected = { config: {}, tree: mergeDocuments([]).tree, documents: [], problems: [] };
const wish = (config: InstallConfig, force = false) => wishOf(collected, config, { force, after: 'nothing' });

test('sizes, extra partitions and titles are taken over', () => {
  const { sizes, extra, entryName } = wish({
    install: {
      partitions: { oem: { size: '128' }, state: null, persistent: { size: 0 }, efi: {} },
      'extra-partitions': [
        { name: 'a', size: 5, fs: '-' },
        { name: 'b', label: 'B', fs: 'xfs' },
        { name: 'c' },
      ],
      'grub-entry-name': 'Edge',
    },
  });
  expect(sizes).toEqual({ oem: 128, persistent: 0 });
  expect(extra).toEqual([
    { name: 'a', size: 5, filesystem: 'none' },
    { name: 'b', size: 0, filesystem: 'xfs', label: 'B' },
    { name: 'c', size: 0 },
  ]);
  expect(entryName).toBe('Edge');
});

test.each([
  [undefined, false, false],
  [null, true, true],
  [true, false, true],
])('force %p in the configuration and %p on the command line is %p', (configured, given, result) => {
  expect(wish({ install: { force: configured } }, given).force).toBe(result);
});

test('no two disks have the same identifiers', () => {
  const guids = [wish({}), wish({})].flatMap((one) => [one.guids('disk'), one.guids('oem')]);
  expect(new Set(guids).size).toBe(4);
  for (const guid of guids) expect(guid).toMatch(/^[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}$/);
});

test('grub options of the installation win', () => {
  const config = {
    grub_options: { extra_cmdline: 'a', saved_entry: 'cos', next_entry: null },
    install: { grub_options: { extra_cmdline: 'b', timeout: 3 } },
  };
  expect(wish(config).grubOptions).toEqual({ extra_cmdline: 'b', saved_entry: 'cos', timeout: '3' });
});
