import { describe, expect, test } from 'bun:test';
import { type CpioEntry, writeCpio } from './cpio.ts';
import { readCpio } from './cpio-reader.ts';

const text = new TextEncoder();
const entries: CpioEntry[] = [
  { kind: 'symlink', path: 'usr/bin/sh', target: 'busybox' },
  { kind: 'file', path: 'usr/bin/busybox', mode: 0o755, data: text.encode('abcde') },
  { kind: 'directory', path: 'root', mode: 0o700 },
  { kind: 'character', path: 'dev/console', mode: 0o600, major: 5, minor: 1 },
];

describe('writeCpio', () => {
  test('writes each kind of entry, parents first', () => {
    const found = readCpio(writeCpio(entries));
    expect(found.map(({ path, mode, data }) => `${mode} ${path} ${new TextDecoder().decode(data)}`)).toEqual([
      '40755 dev ',
      '20600 dev/console ',
      '40700 root ',
      '40755 usr ',
      '40755 usr/bin ',
      '100755 usr/bin/busybox abcde',
      '120777 usr/bin/sh busybox',
    ]);
    // ino, mode, uid, gid, nlink, mtime, filesize, devmajor, devminor, rdevmajor, rdevminor, namesize, check
    expect(found[1]?.fields).toEqual([2, 0o20600, 0, 0, 1, 0, 0, 0, 0, 5, 1, 12, 0]);
  });

  test('does not depend on the order of the entries', () => {
    expect(writeCpio([...entries].reverse())).toEqual(writeCpio(entries));
    expect(writeCpio(entries).length % 512).toBe(0);
  });

  const file = (path: string): CpioEntry => ({ kind: 'file', path, mode: 0o644, data: new Uint8Array() });
  test.each<[string, CpioEntry[]]>([
    ['"/etc/a" into the initrd: it is not a plain relative path', [file('/etc/a')]],
    ['"a/../b" into the initrd: it is not a plain relative path', [file('a/../b')]],
    ['"a" into the initrd: it is there twice', [file('a'), file('a')]],
    ['"a/b" into the initrd: a is a file', [file('a/b'), file('a')]],
  ])('refuses %s', (message, wrong) => {
    expect(() => writeCpio(wrong)).toThrow(message);
  });
});
