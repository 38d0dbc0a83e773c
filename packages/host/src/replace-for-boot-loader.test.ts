import { afterEach, beforeEach, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { directoryHost } from './directory.ts';
import type { Host } from './host.ts';
import { replaceForBootLoader } from './replace-for-boot-loader.ts';

let folder: string;
let log: string[];
let host: Host;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'loader-'));
  log = [];
  const plain = directoryHost(folder);
  const seen = () =>
    plain.files
      .list('/grub2')
      .map((name) => `${name}=${plain.files.readText(`/grub2/${name}`)}`)
      .join(' ');
  host = { ...plain, checkpoint: (place) => log.push(`checkpoint of ${place}: ${seen()}`) };
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('the new content is in its place before the name leads to it, the old one until nothing does', () => {
  host.files.write('/grub2/grub.cfg', 'old');
  replaceForBootLoader(host, '/grub2/grub.cfg', 'new', { mode: 0o600 });
  expect(log).toEqual([
    'checkpoint of /grub2: .grub.cfg.next=new grub.cfg=old',
    'checkpoint of /grub2: .grub.cfg.next=old grub.cfg=new',
  ]);
  expect(host.files.list('/grub2')).toEqual(['grub.cfg']);
  expect(host.files.status('/grub2/grub.cfg')?.mode).toBe(0o600);
});

test('a file that is not there yet, and what a run left that was cut off', () => {
  host.files.write('/grub2/.grub.cfg.next', 'torn');
  replaceForBootLoader(host, '/grub2/grub.cfg', 'new');
  expect(log).toEqual(['checkpoint of /grub2: .grub.cfg.next=new', 'checkpoint of /grub2: grub.cfg=new']);
});

test('names that cannot be exchanged: the new one takes the place', () => {
  const fails = (errno: number): Host => ({
    ...host,
    files: {
      ...host.files,
      exchange() {
        throw Object.assign(new Error('refused'), { errno });
      },
    },
  });
  host.files.write('/grub2/grub.cfg', 'old');
  replaceForBootLoader(fails(22), '/grub2/grub.cfg', 'new');
  expect(host.files.readText('/grub2/grub.cfg')).toBe('new');
  expect(() => replaceForBootLoader(fails(5), '/grub2/grub.cfg', 'newer')).toThrow('refused');
  expect(host.files.readText('/grub2/grub.cfg')).toBe('new');
});
