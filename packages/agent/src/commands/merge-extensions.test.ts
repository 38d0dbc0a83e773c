import { afterEach, beforeEach, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ExtensionKind, extensionKinds } from '@kairos/facts/extensions';
import { type DirectoryHost, directoryHost } from '@kairos/host/directory';
import { readExtensionRecords } from '../extensions/record.ts';
import { breakSeal, enableExtension, keepSeal, removeExtension } from '../extensions/store.ts';
import { disableExtensionVerb } from './extensions.ts';
import { mergeExtensions, writtenEtc } from './merge-extensions.ts';

let folder: string;
let host: DirectoryHost;
/** Names in the order in which they were mounted to be looked into. */
let opened: string[];
let warnings: string[];
let systemd: (argv: readonly string[]) => { code: number; stderr?: string };

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'merge-'));
  opened = [];
  warnings = [];
  systemd = () => ({ code: 0 });
  host = directoryHost(folder, {
    run(argv) {
      if (argv[0] !== 'mount') return systemd(argv);
      if (argv.at(-1) === '/etc') return {};
      const name = /([^/]*)\.raw$/.exec(argv.at(-2) ?? '')?.[1] ?? '';
      opened.push(name);
      const directory = name.startsWith('conf') ? 'etc' : 'usr/lib';
      const place = join(argv.at(-1) ?? '', directory, 'extension-release.d');
      mkdirSync(place, { recursive: true });
      writeFileSync(join(place, `extension-release.${name}`), 'ID=_any\n');
      return {};
    },
  });
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const content = 'hsqs, as a squashfs begins';
const digestOf = (text: string) => `sha256:${new Bun.CryptoHasher('sha256').update(text).digest('hex')}`;

/** An image that the boot has linked, with the seal of another content where `sealed` says so. */
function link(kind: ExtensionKind, name: string, sealed: string | undefined = content): void {
  const { store, run } = extensionKinds[kind];
  host.files.write(`${store}/${name}`, content);
  if (sealed !== '') keepSeal(host.files, kind, name, digestOf(sealed));
  host.files.symlink(`${store}/${name}`, `${run}/${name}`);
}
const merge = (kind: ExtensionKind) =>
  mergeExtensions(host, { kind, warn: (message) => void warnings.push(message) });
const programs = () => host.commands.filter(([program]) => program?.startsWith('systemd-'));

test('one that was changed is left out before the kernel sees it, and the others are laid out', async () => {
  link('sysext', 'changed.raw', 'hsqs, as it was');
  link('sysext', 'good.raw');
  link('sysext', 'own.raw', '');
  host.files.symlink('/usr/share/theirs.raw', '/run/extensions/theirs.raw');
  const reason = `changed.raw is not what was installed: it is ${digestOf(content)}, and was ${digestOf('hsqs, as it was')}`;
  const outcomes = [
    { kind: 'sysext', name: 'changed.raw', status: 'refused', reason },
    { kind: 'sysext', name: 'good.raw', status: 'merged' },
    { kind: 'sysext', name: 'own.raw', status: 'merged' },
  ] as const;
  expect(await merge('sysext')).toEqual([...outcomes]);
  expect(opened).toEqual(['good', 'own']);
  expect(host.files.list('/run/extensions')).toEqual(['good.raw', 'own.raw', 'theirs.raw']);
  expect(programs()).toEqual([['systemd-sysext', 'refresh']]);
  expect(readExtensionRecords(host.files)).toEqual([...outcomes]);
  // Merged anew it stays told, until it is gone.
  expect(await merge('sysext')).toEqual([...outcomes]);
  removeExtension(host.files, 'sysext', 'changed.raw');
  expect(await merge('sysext')).toEqual(outcomes.slice(1));
  breakSeal(host.files, 'sysext', 'good.raw');
  expect(await merge('sysext')).toEqual(outcomes.slice(1));
});

test('a policy that is not known refuses all', async () => {
  link('sysext', 'good.raw');
  host.files.write('/oem/policy.yaml', '#cloud-config\nextensions: {policy: singed}\n');
  expect(await merge('sysext')).toEqual([
    { kind: 'sysext', name: 'good.raw', status: 'refused', reason: expect.stringContaining('"singed"') },
  ]);
  expect(host.files.list('/run/extensions')).toEqual([]);
});

test('where systemd fails, the record says so of those that are good', async () => {
  link('sysext', 'changed.raw', 'hsqs, as it was');
  link('sysext', 'good.raw');
  systemd = () => ({ code: 1, stderr: 'Failed to merge hierarchies' });
  await expect(merge('sysext')).rejects.toMatchObject({ code: 'EXTENSION_MERGE', exitCode: 15 });
  expect(readExtensionRecords(host.files)).toEqual([
    expect.objectContaining({ name: 'changed.raw', status: 'refused' }),
    expect.objectContaining({
      name: 'good.raw',
      status: 'failed',
      reason: expect.stringContaining('Failed to merge hierarchies'),
    }),
  ]);
});

test('/etc stays writable below configuration extensions, and keeps what was written when the last is gone', async () => {
  link('confext', 'conf.raw');
  systemd = () => {
    host.mount({ source: 'confext', target: '/etc', type: 'overlay', options: [] });
    return { code: 0 };
  };
  await merge('confext');
  expect(host.files.readLink('/var/lib/extensions.mutable/etc')).toBe(writtenEtc);
  expect(host.files.status(writtenEtc)).toMatchObject({ kind: 'directory', mode: 0o755 });
  expect(programs()).toEqual([['systemd-confext', 'refresh', '--mutable=yes']]);
  expect(host.commands.at(-1)).toEqual(['mount', '-o', 'remount,bind,nosuid,nodev,exec', '/etc']);
  removeExtension(host.files, 'confext', 'conf.raw');
  host.files.remove('/run/confexts/conf.raw');
  expect(await merge('confext')).toEqual([]);
  expect(programs()).toHaveLength(1);
  expect(warnings).toEqual([expect.stringContaining('it stays until the next start')]);
});

test('disabled at once, the last configuration extension stays until the next start, and one of several goes', async () => {
  host.files.write('/proc/cmdline', 'root=LABEL=COS_ACTIVE');
  for (const name of ['conf-a.raw', 'conf-b.raw']) {
    link('confext', name);
    enableExtension(host.files, 'confext', 'active', name);
  }
  const disable = (name: string) =>
    disableExtensionVerb(host, {
      ...{ kind: 'confext', name, profile: 'active', now: true },
      warn: (message) => void warnings.push(message),
    });
  expect(await disable('conf-a')).toMatchObject({ effective: 'now' });
  expect(await disable('conf-b')).toMatchObject({ changed: true, effective: 'next start' });
  expect(warnings).toEqual([expect.stringContaining('it stays until the next start')]);
  expect(programs()).toEqual([]);
  expect(host.commands).toEqual([['systemctl', 'restart', 'systemd-confext.service']]);
});
