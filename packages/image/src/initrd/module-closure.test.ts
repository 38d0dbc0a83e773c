import { describe, expect, test } from 'bun:test';
import { KairosError } from '@kairos/facts/errors';
import fc from 'fast-check';
import {
  moduleClosure,
  moduleName,
  parseModuleIndex,
  writeModuleAliases,
  writeModuleDependencies,
} from './module-closure.ts';

const files = {
  dep: [
    'kernel/fs/ext4/ext4.ko.xz: kernel/fs/jbd2/jbd2.ko.xz kernel/lib/crc16.ko.xz',
    'kernel/fs/jbd2/jbd2.ko.xz: kernel/lib/base.ko.xz',
    'kernel/lib/crc16.ko.xz: kernel/lib/base.ko.xz',
    'kernel/lib/base.ko.xz:',
    'kernel/crypto/crc32c-generic.ko.xz:',
    'kernel/drivers/usb/uhci-hcd.ko.zst:',
    'kernel/drivers/usb/ehci-pci.ko.zst:',
    'kernel/weak.ko:',
  ].join('\n'),
  builtin: 'kernel/drivers/block/loop.ko\nkernel/drivers/virtio/virtio-pci.ko\n',
  softdep: '# comment\nsoftdep ext4 pre: crypto-crc32c\nsoftdep uhci_hcd pre: ehci-pci post: not_there\n',
  weakdep: 'weakdep jbd2 weak\n',
  alias: [
    'alias crypto-crc32c crc32c_generic',
    'alias fs-ext4 ext4',
    'alias pci:v*d*sv*sd*bc0Csc03i00* uhci-hcd',
    '# alias commented ext4',
  ].join('\n'),
};
const index = parseModuleIndex(files);

test('module names are what the kernel calls them', () => {
  expect(['kernel/drivers/md/dm-mod.ko.xz', 'a.ko', 'b/c-d_e.ko.zst', 'x.ko.gz'].map(moduleName)).toEqual([
    'dm_mod',
    'a',
    'c_d_e',
    'x',
  ]);
});

describe('closure', () => {
  test('takes hard, soft and weak dependencies, in the order of loading', () => {
    expect(moduleClosure(index, ['ext4']).modules.map(({ name }) => name)).toEqual([
      'base',
      'crc16',
      'weak',
      'jbd2',
      'crc32c_generic',
      'ext4',
    ]);
  });

  test('tells what is built in from what is not there', () => {
    const closure = moduleClosure(index, ['virtio-pci', 'uhci-hcd', 'nothing']);
    expect(closure.builtin).toEqual(['virtio_pci']);
    expect(closure.missing).toEqual(['nothing']);
    expect(closure.modules.map(({ name }) => name)).toEqual(['ehci_pci', 'uhci_hcd']);
  });

  test('refuses a list whose dependency is not in it', () => {
    const broken = parseModuleIndex({ ...files, dep: 'a.ko: lost.ko\n' });
    expect(() => moduleClosure(broken, ['a'])).toThrow(
      'Module a needs lost, which modules.dep does not list',
    );
  });

  test('every dependency comes before what needs it, whatever the graph', () => {
    const graph = fc
      .array(fc.array(fc.nat({ max: 30 }), { maxLength: 4 }), { minLength: 1, maxLength: 30 })
      .map((rows) =>
        // Only backwards, as a real modules.dep has no cycles; transitive, as it lists all.
        rows.map((row, at) => row.filter((other) => other < at)),
      );
    fc.assert(
      fc.property(graph, (rows) => {
        const all = (at: number): number[] => [
          ...new Set((rows[at] ?? []).flatMap((other) => [other, ...all(other)])),
        ];
        const dep = rows
          .map(
            (_, at) =>
              `m${at}.ko:${all(at)
                .map((other) => ` m${other}.ko`)
                .join('')}`,
          )
          .join('\n');
        const { modules } = moduleClosure(
          parseModuleIndex({ ...files, dep, softdep: '', weakdep: '' }),
          rows.map((_, at) => `m${rows.length - 1 - at}`),
        );
        const order = modules.map(({ name }) => name);
        expect(new Set(order).size).toBe(rows.length);
        for (const { name, dependencies } of modules) {
          for (const each of dependencies) expect(order.indexOf(each)).toBeLessThan(order.indexOf(name));
        }
      }),
      { numRuns: 50 },
    );
  });
});

test.each(['../../etc/passwd.ko:', 'kernel/../../x.ko: a.ko', 'no colon here', 'kernel/readme.txt:'])(
  'refuses the line %p in modules.dep',
  (line) => {
    expect(() => parseModuleIndex({ ...files, dep: line })).toThrow(KairosError);
  },
);

test('writes the files that modprobe reads', () => {
  const { modules } = moduleClosure(index, ['ext4']);
  expect(writeModuleDependencies(modules)).toBe(
    [
      'kernel/lib/base.ko:',
      'kernel/lib/crc16.ko: kernel/lib/base.ko',
      'kernel/weak.ko:',
      'kernel/fs/jbd2/jbd2.ko: kernel/lib/base.ko',
      'kernel/crypto/crc32c-generic.ko:',
      'kernel/fs/ext4/ext4.ko: kernel/fs/jbd2/jbd2.ko kernel/lib/crc16.ko',
      '',
    ].join('\n'),
  );
  expect(writeModuleAliases(index, new Set(['uhci_hcd', 'ext4']))).toBe(
    'alias fs-ext4 ext4\nalias pci:v*d*sv*sd*bc0Csc03i00* uhci_hcd\n',
  );
});
