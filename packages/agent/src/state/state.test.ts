import { afterEach, beforeEach, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { slotFiles } from '@kairos/facts/slot';
import { directoryHost } from '@kairos/host/directory';
import type { Disk, Partition } from '@kairos/host/disks';
import { formatGrubEnvironment } from '@kairos/host/grub-environment';
import { state, stateGet } from '../commands/state.ts';
import { manifestDigest } from '../slots/view.ts';
import { readState } from './state.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'state-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const partition = (number: number, label: string, mountPoints: string[]): Partition => ({
  ...{ path: `/dev/vda${number}`, name: `vda${number}`, label, partitionName: label.slice(4).toLowerCase() },
  ...{ filesystem: 'ext4', uuid: 'fs', partitionUuid: `part-${number}`, size: 1000 * number, mountPoints },
});
const disk: Disk = {
  ...{ path: '/dev/vda', name: 'vda', size: 1, readOnly: false, removable: false, model: '', type: 'disk' },
  ...{ partitionTable: 'gpt', filesystem: '', label: '', mountPoints: [] },
  partitions: [
    partition(3, 'COS_OEM', ['/oem']),
    partition(4, 'COS_RECOVERY', []),
    partition(5, 'COS_STATE', ['/run/initramfs/cos-state']),
    partition(6, 'COS_PERSISTENT', ['/var/log', '/usr/local']),
    { ...partition(7, 'secret', []), filesystem: 'crypto_LUKS' },
  ],
};
const mount = (target: string, ...options: string[]) => ({ source: '/dev/x', target, type: 'ext4', options });
const sha = `sha256:${'0'.repeat(64)}`;
const filesOfSlot = Object.values(slotFiles).filter((name) => name !== slotFiles.manifest);
const manifest = {
  ...{
    schemaVersion: 1,
    name: 'kairos-core-debian-13',
    version: 'v1.2.3',
    architecture: 'amd64',
    flavor: 'debian',
  },
  ...{
    flavorRelease: '13',
    variant: 'core',
    model: 'generic',
    kernel: '6.12',
    init: 'systemd',
    filesystem: 'erofs',
  },
  verity: {
    ...{
      rootHash: 'a'.repeat(64),
      salt: '',
      algorithm: 'sha256',
      blockSize: 4096,
      dataBlocks: 1,
      hashStartBlock: 2,
    },
  },
  files: Object.fromEntries(filesOfSlot.map((name) => [name, { size: 1, digest: sha }])),
  provenance: { base: '', inputs: sha, builder: '', epoch: 0 },
};

function activeNode() {
  const host = directoryHost(folder, {
    disks: [disk],
    mounts: [
      mount('/oem', 'rw', 'noatime'),
      mount('/run/initramfs/cos-state', 'ro', 'relatime'),
      mount('/usr/local', 'rw'),
      mount('/var/log', 'rw'),
    ],
  });
  host.files.write('/proc/cmdline', 'root=LABEL=COS_ACTIVE quiet');
  host.files.write(
    '/etc/os-release',
    'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nID=debian\nVERSION_ID="13"\n',
  );
  host.files.write('/etc/kairos-release', 'KAIROS_FLAVOR="debian"\nKAIROS_VERSION="v1.2.3"\n');
  host.files.write('/etc/machine-id', 'abc\n');
  host.files.write('/proc/sys/kernel/hostname', 'node\n');
  host.files.write('/proc/sys/kernel/osrelease', '6.12\n');
  host.files.makeDirectory('/run/systemd/system');
  host.files.write('/run/initramfs/cos-state/cOS/active/image.json', JSON.stringify(manifest));
  host.files.write('/run/initramfs/cos-state/cOS/passive/image.json', '{ torn');
  return host;
}

test('an active node', async () => {
  const host = activeNode();
  const found = await readState(host);
  expect(found.oem).toEqual({
    ...{ mounted: true, name: '/dev/vda3', label: 'oem', filesystemlabel: 'COS_OEM', mount_point: '/oem' },
    ...{
      size_bytes: 3000,
      type: 'ext4',
      read_only: false,
      found: true,
      uuid: '/dev/disk/by-partuuid/part-3',
    },
  });
  expect([found.state.read_only, found.state.mount_point]).toEqual([true, '/run/initramfs/cos-state']);
  expect(found.persistent.mount_point).toBe('/usr/local');
  expect([found.recovery.found, found.recovery.mounted]).toEqual([true, false]);
  expect(found.encrypted_partitions).toEqual(['secret']);
  expect(found.uuid).toBe('abc-node');
  expect(found.kairos).toEqual({ flavor: 'debian', version: 'v1.2.3', init: 'systemd', secureboot: false });
  expect(found.system.os).toEqual({ name: 'Debian GNU/Linux 13 (trixie)', vendor: 'debian', version: '13' });
  expect(found.slots.active).toMatchObject({ name: 'kairos-core-debian-13', version: 'v1.2.3', root: sha });
  expect(found.slots.passive?.version).toBe('unreadable');
  expect(found.slots.recovery).toBeUndefined();
  expect(found.boot_report).toBeUndefined();
  expect(await stateGet(host, 'boot')).toBe('active_boot\n');
  expect(await state(host)).toStartWith('uuid: abc-node\npersistent:\n  mounted: true\n  name: /dev/vda6\n');
});

const manifestOf = (version: string) => JSON.stringify({ ...manifest, version });
const digestOf = (version: string) => manifestDigest(manifestOf(version));
test.each([
  ['nothing is assessed', 'v2 v1', {}, ['good', 'good']],
  [
    'active has starts left',
    'v2 v1',
    { kairos_tries: '2', kairos_fallback_tries: '3' },
    ['on trial', 'good'],
  ],
  ['active failed', 'v2 v1', { kairos_tries: '0', kairos_failed: digestOf('v2') }, ['failed', 'good']],
  // The same image may fail in one slot and prove good in the other: it is not always the image.
  [
    'active failed, passive is alike',
    'v2 v2',
    { kairos_tries: '0', kairos_failed: digestOf('v2') },
    ['failed', 'good'],
  ],
  ['what failed is passive', 'v1 v2', { kairos_failed: digestOf('v2') }, ['good', 'failed']],
  ['both failed', 'v2 v1', { kairos_tries: '0', kairos_fallback_tries: '0' }, ['failed', 'failed']],
] as const)('status of the slots: %s', async (_, versions, assessment, expected) => {
  const host = activeNode();
  host.files.write('/proc/cmdline', 'root=LABEL=COS_SYSTEM recovery-mode');
  const at = '/run/initramfs/cos-state';
  const [active = '', passive = ''] = versions.split(' ');
  for (const [slot, version] of [
    ['active', active],
    ['passive', passive],
  ] as const) {
    host.files.write(`${at}/cOS/${slot}/image.json`, manifestOf(version));
    for (const name of filesOfSlot) host.files.write(`${at}/cOS/${slot}/${name}`, 'x');
  }
  host.files.write(`${at}/boot_assessment`, formatGrubEnvironment(assessment, 'test'));
  const { slots } = await readState(host);
  expect([slots.active?.status, slots.passive?.status]).toEqual([...expected]);
});

test('a live node with nothing', async () => {
  const host = directoryHost(folder, { disks: [] });
  host.files.write('/proc/cmdline', 'root=live:CDLABEL=COS_LIVE');
  host.files.write('/run/initramfs/live/cOS/live/image.json', JSON.stringify(manifest));
  const found = await readState(host);
  expect([found.boot, found.in_ram, found.oem.found]).toEqual(['livecd_boot', false, false]);
  expect(found.slots.live?.version).toBe('v1.2.3');
});

test.each([
  [
    '{"outcome":"degraded","steps":[{"name":"oem","status":"degraded"},{"name":"x","status":"ok"},{"name":"y","status":"failed"}]}',
    'degraded',
    2,
  ],
  ['torn', 'unreadable', 0],
])('a boot report %s is %s', async (text, outcome, failed) => {
  const host = directoryHost(folder);
  host.files.write('/run/immucore/boot-report.json', text);
  const report = (await readState(host)).boot_report;
  expect(report?.outcome).toBe(outcome);
  expect(report?.failed).toHaveLength(failed);
});
