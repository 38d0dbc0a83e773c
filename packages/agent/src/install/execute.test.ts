import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KairosError } from '@kairos/facts/errors';
import { type DirectoryHostOptions, directoryHost } from '@kairos/host/directory';
import { parse } from 'yaml';
import { Cleanup } from '../cleanup.ts';
import { endMachine } from '../lifecycle.ts';
import { carryOut, carryOutAll, type InstallContext } from './execute.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'execute-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function setUp(options: DirectoryHostOptions = {}, more: Partial<InstallContext> = {}) {
  const host = directoryHost(folder, { run: () => ({}), ...options });
  const warnings: string[] = [];
  const cleanup = new Cleanup();
  const context: InstallContext = {
    ...{ host, image: undefined, cleanup, signal: new AbortController().signal, strict: false },
    ...{ runStage: async () => undefined, report: () => undefined, warn: (text) => warnings.push(text) },
    now: () => new Date('2026-01-02T03:04:05.678Z'),
    ...more,
  };
  return { host, context, warnings, cleanup };
}

describe('stages and hooks', () => {
  const failing = async () => {
    throw new KairosError('STAGE_FAILED', 'step 1 failed');
  };
  test('a failing stage is a warning', async () => {
    const { context, warnings } = setUp({}, { runStage: failing });
    await carryOut({ kind: 'stage', stage: 'before-install' }, context);
    expect(warnings).toEqual(['The stage before-install failed and the installation goes on: step 1 failed']);
  });
  test('and an error where the configuration is strict', async () => {
    const { context } = setUp({}, { runStage: failing, strict: true });
    await expect(carryOut({ kind: 'stage', stage: 'x' }, context)).rejects.toThrow('step 1 failed');
  });
  test('a hook runs if it is there', async () => {
    const { host, context } = setUp();
    await carryOut({ kind: 'hook', program: '/usr/bin/hook' }, context);
    expect(host.commands).toEqual([]);
    host.files.write('/usr/bin/hook', '');
    await carryOut({ kind: 'hook', program: '/usr/bin/hook' }, context);
    expect(host.commands).toEqual([[join(folder, 'usr/bin/hook')]]);
  });
});

test('mounts are undone newest first, also those that a step did not reach', async () => {
  const { host, context, cleanup } = setUp();
  const mount = (target: string) =>
    ({ kind: 'mount', device: '/dev/x', target, type: 'ext4', options: ['noatime'] }) as const;
  await carryOutAll(
    [
      mount('/run/cos/state'),
      mount('/run/cos/oem'),
      mount('/run/cos/efi'),
      { kind: 'unmount', target: '/run/cos/oem' },
    ],
    context,
  );
  expect(await cleanup.run()).toEqual([]);
  expect(host.mountLog).toEqual([
    'mount ext4 /dev/x /run/cos/state noatime',
    'mount ext4 /dev/x /run/cos/oem noatime',
    'mount ext4 /dev/x /run/cos/efi noatime',
    'unmount /run/cos/oem',
    'unmount /run/cos/efi',
    'unmount /run/cos/state',
  ]);
});

test('what cannot be undone is told and does not keep the rest', async () => {
  const cleanup = new Cleanup();
  const undone: string[] = [];
  cleanup.push('first', () => {
    undone.push('first');
  });
  cleanup.push('second', () => {
    throw new Error('busy');
  });
  expect(await cleanup.run()).toEqual(['second: busy']);
  expect(undone).toEqual(['first']);
  expect(await cleanup.run()).toEqual([]);
});

test('an interrupted run carries out nothing more', async () => {
  const controller = new AbortController();
  controller.abort();
  const { host, context } = setUp({}, { signal: controller.signal });
  await expect(carryOut({ kind: 'remove', path: '/x' }, context)).rejects.toMatchObject({
    code: 'INTERRUPTED',
  });
  expect(host.commands).toEqual([]);
});

test.each([
  ['ext4', true, ['mkfs.ext4', '-F', '-q', '-O', '^metadata_csum_seed', '-m', '0', '-L', 'L', '/dev/x']],
  ['ext4', false, ['mkfs.ext4', '-F', '-q', '-L', 'L', '/dev/x']],
  ['vfat', false, ['mkfs.vfat', '-n', 'L', '/dev/x']],
  ['xfs', false, ['mkfs.xfs', '-f', '-q', '-L', 'L', '/dev/x']],
  ['swap', false, ['mkswap', '-f', '-L', 'L', '/dev/x']],
] as const)('%s for the boot loader %p', async (filesystem, forBootLoader, command) => {
  const { host, context } = setUp();
  await carryOut(
    { kind: 'make-filesystem', device: '/dev/x', filesystem, label: 'L', forBootLoader },
    context,
  );
  expect(host.commands).toEqual([[...command]]);
});

test('the record has times in UTC', async () => {
  const { host, context } = setUp();
  await carryOut({ kind: 'record', path: '/p/.kairos-state', source: 'oci:x' }, context);
  expect(parse(host.files.readText('/p/.kairos-state'))).toEqual({
    'first-install': '2026-01-02T03:04:05Z',
    'first-install-source': 'oci:x',
    'last-active-upgrade': 'never',
    'last-active-source': '',
    'last-recovery-upgrade': 'never',
    'last-recovery-source': '',
    'last-reset': 'never',
    'last-reset-source': '',
  });
});

describe('the end of the machine', () => {
  test.each<[string, boolean, boolean, string[][]]>([
    ['with systemd', true, true, [['sync'], ['systemctl', 'reboot']]],
    ['with systemd that does not answer', true, false, [['sync'], ['systemctl', 'reboot'], ['reboot', '-f']]],
    ['without', false, true, [['sync'], ['reboot', '-f']]],
  ])('%s', async (_, systemd, answers, commands) => {
    const warnings: string[] = [];
    const host = directoryHost(folder, {
      run: ([name]) => (name === 'systemctl' && !answers ? { code: 1 } : {}),
    });
    if (systemd) host.files.makeDirectory('/run/systemd/system');
    await endMachine(host, 'reboot', (text) => warnings.push(text));
    expect(host.commands).toEqual(commands);
    expect(warnings.length).toBe(answers ? 0 : 1);
  });
});
