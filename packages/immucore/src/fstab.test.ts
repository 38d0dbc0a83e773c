import { expect, test } from 'bun:test';
import { parseMountTable } from '@kairos/host/mount-table';
import fc from 'fast-check';
import { renderFstab } from './fstab.ts';

const lines = (text: string) => text.split('\n').slice(1, -1);

test('one line for each target, the last mount counts', () => {
  const text = renderFstab([
    { source: 'LABEL=COS_OEM', target: '/oem', type: 'ext4', options: ['rw'] },
    { source: 'overlay', target: '/usr/local', type: 'overlay', options: ['lowerdir=/usr/local'] },
    { source: '/usr/local/.state/home.bind', target: '/home', type: 'none', options: ['bind'] },
    { source: 'LABEL=COS_PERSISTENT', target: '/usr/local', type: 'ext4', options: [] },
  ]);
  expect(lines(text)).toEqual([
    'LABEL=COS_OEM /oem ext4 rw 0 0',
    '/usr/local/.state/home.bind /home none bind 0 0',
    'LABEL=COS_PERSISTENT /usr/local ext4 defaults 0 0',
  ]);
});

test('no name breaks a line or becomes a comment', () => {
  const name = fc.string({
    minLength: 1,
    unit: fc.constantFrom(' ', '\t', '\n', '\r', '#', '\\', 'a', '0', '\u2028', 'é'),
  });
  fc.assert(
    fc.property(name, name, (source, target) => {
      const text = lines(renderFstab([{ source, target, type: 'ext4', options: ['ro'] }]));
      expect(text).toHaveLength(1);
      const fields = (text[0] ?? '').split(' ');
      expect(fields).toHaveLength(6);
      expect(text[0]?.startsWith('#')).toBe(false);
      // The kernel's mount table has the same escapes.
      const [mount] = parseMountTable(`1 2 3:4 / ${fields[1]} ro - ext4 ${fields[0]} ro\n`);
      expect([mount?.source, mount?.target]).toEqual([source, target]);
    }),
  );
});
