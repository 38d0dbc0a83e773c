import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '@kairos/host/clock';
import { directoryHost } from '@kairos/host/directory';
import { blockDevices, matchesDevice, parseBlkid } from './block-devices.ts';
import { testFolder } from './test-folder.ts';

let folder: string;
beforeEach(() => {
  folder = testFolder('devices');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const line = (path: string, label: string) => `${path}: LABEL="${label}" UUID="u-${label}" TYPE="ext4"\n`;

test('what blkid prints', () => {
  const text = [
    '/dev/vda1: PARTLABEL="bios" PARTUUID="aa"',
    '/dev/vda3: LABEL="COS_OEM" UUID="11-22" BLOCK_SIZE="1024" TYPE="ext4" PARTLABEL="oem" PARTUUID="BB"',
    '/dev/sr0: UUID="2026" LABEL="A \\"B\\" C" TYPE="iso9660"',
    'blkid: some complaint',
    '',
  ].join('\n');
  expect(parseBlkid(text)).toEqual([
    { path: '/dev/vda1', label: '', uuid: '', type: '', partitionName: 'bios', partitionUuid: 'aa' },
    {
      path: '/dev/vda3',
      label: 'COS_OEM',
      uuid: '11-22',
      type: 'ext4',
      partitionName: 'oem',
      partitionUuid: 'BB',
    },
    {
      path: '/dev/sr0',
      label: 'A "B" C',
      uuid: '2026',
      type: 'iso9660',
      partitionName: '',
      partitionUuid: '',
    },
  ]);
});

test('an empty name is no name', () => {
  const [device] = parseBlkid('/dev/vda1: TYPE="swap"');
  if (device === undefined) throw new Error('no device');
  for (const tag of ['LABEL', 'UUID', 'PARTLABEL', 'PARTUUID'])
    expect(matchesDevice(device, `${tag}=`)).toBe(false);
});

test.each([
  ['LABEL=COS_OEM', true],
  ['LABEL=cos_oem', false],
  ['UUID=AB-CD', true],
  ['PARTLABEL=oem', true],
  ['PARTUUID=ee-ff', true],
  ['/dev/vda3', true],
  ['COS_OEM', false],
  ['LABEL=', false],
] as const)('%s names the device: %p', (source, matches) => {
  const device = {
    path: '/dev/vda3',
    label: 'COS_OEM',
    uuid: 'ab-cd',
    type: 'ext4',
    partitionName: 'oem',
    partitionUuid: 'EE-FF',
  };
  expect(matchesDevice(device, source)).toBe(matches);
});

const noHardware = async () => undefined;

describe('looking', () => {
  /** A machine whose devices appear at given times. */
  function machine(appearing: readonly (readonly [number, string, string])[]) {
    let time = 0;
    const there = () => appearing.filter(([when]) => when <= time);
    mkdirSync(join(folder, 'sys/class/block'), { recursive: true });
    const show = () => {
      for (const [, path] of there()) writeFileSync(join(folder, 'sys/class/block', path.slice(5)), '');
    };
    show();
    const host = directoryHost(folder, {
      run: ([name]) =>
        name === 'blkid'
          ? {
              stdout: there()
                .map(([, path, label]) => line(path, label))
                .join(''),
            }
          : undefined,
    });
    const clock: Clock = {
      now: () => time,
      async sleep(milliseconds) {
        time += milliseconds;
        show();
      },
    };
    let asked = 0;
    const loadHardware = async () => {
      asked++;
      return undefined;
    };
    const devices = blockDevices(host, clock, '/slot', loadHardware);
    return { host, devices, time: () => time, asked: () => asked };
  }

  test('one blkid serves all that is there', async () => {
    const { host, devices, asked } = machine([
      [0, '/dev/vda3', 'COS_OEM'],
      [0, '/dev/vda6', 'COS_PERSISTENT'],
    ]);
    expect((await devices.find('LABEL=COS_OEM', 1000))?.device.path).toBe('/dev/vda3');
    expect((await devices.find('UUID=u-COS_PERSISTENT', 1000))?.device.path).toBe('/dev/vda6');
    expect(await devices.find('LABEL=OTHER', 0)).toBeUndefined();
    expect([host.commands, asked()]).toEqual([[['blkid', '-c', '/dev/null']], 0]);
  });

  test('waits for a device and asks again only when one has come', async () => {
    const { host, devices, time, asked } = machine([
      [0, '/dev/vda3', 'COS_OEM'],
      [330, '/dev/sda1', 'OTHER'],
      [700, '/dev/sdb1', 'COS_PERSISTENT'],
    ]);
    expect((await devices.find('LABEL=COS_PERSISTENT', 5000))?.device.path).toBe('/dev/sdb1');
    expect([time(), host.commands.length]).toEqual([700, 3]);
    expect(asked()).toBeGreaterThan(0);
  });

  test('gives up after the time, with one last look', async () => {
    const { host, devices, time } = machine([[0, '/dev/vda3', 'COS_OEM']]);
    expect(await devices.find('LABEL=NONE', 1020)).toBeUndefined();
    expect([time(), host.commands.length]).toEqual([1020, 2]);
    expect(devices.seen()).toEqual(['/dev/vda3 (COS_OEM)']);
  });

  test('a blkid that takes options for devices is asked without', async () => {
    const host = directoryHost(folder, {
      run: (argv) => (argv.length > 1 ? { stdout: '' } : { stdout: line('/dev/sda1', 'COS_OEM') }),
    });
    const clock: Clock = { now: () => 0, sleep: async () => undefined };
    expect((await blockDevices(host, clock, '/', noHardware).find('LABEL=COS_OEM', 0))?.device.path).toBe(
      '/dev/sda1',
    );
  });

  test('a machine without blkid says so', async () => {
    const clock: Clock = { now: () => 0, sleep: async () => undefined };
    const devices = blockDevices(directoryHost(folder), clock, '/', noHardware);
    await expect(devices.find('LABEL=COS_OEM', 0)).rejects.toThrow(
      'Cannot list block devices: Cannot run blkid: it is not installed',
    );
  });
});

describe('plain ext4 is found without a program', () => {
  const clock: Clock = { now: () => 0, sleep: async () => undefined };
  const size = 16 * 1024 * 1024;

  function device(name: string, options: { bytes?: number; holder?: string } = {}) {
    mkdirSync(join(folder, 'dev'), { recursive: true });
    const made = Bun.spawnSync([
      'mke2fs',
      '-q',
      '-t',
      'ext4',
      '-L',
      'COS_OEM',
      join(folder, 'dev', name),
      '16M',
    ]);
    expect(made.exitCode).toBe(0);
    const place = join(folder, 'sys/class/block', name);
    mkdirSync(join(place, 'holders', options.holder ?? ''), { recursive: true });
    writeFileSync(join(place, 'size'), `${(options.bytes ?? size) / 512}\n`);
  }

  async function commandsFor(source: string) {
    const host = directoryHost(folder, { run: () => ({ stdout: line('/dev/asked', 'COS_OEM') }) });
    const found = await blockDevices(host, clock, '/', noHardware).find(source, 0);
    return [found?.device.path, found?.device.type, host.commands.length];
  }

  test('the only one with the label, beside what is something else', async () => {
    device('vda3');
    mkdirSync(join(folder, 'sys/class/block/vda1'), { recursive: true });
    writeFileSync(join(folder, 'dev/vda1'), new Uint8Array(4096));
    mkdirSync(join(folder, 'sys/class/block/sr0'), { recursive: true });
    expect(await commandsFor('LABEL=COS_OEM')).toEqual(['/dev/vda3', 'ext4', 0]);
  });

  test('by its partition, blkid is asked', async () => {
    device('vda3');
    expect(await commandsFor('PARTLABEL=oem')).toEqual([undefined, undefined, 1]);
  });

  test('two with the label: blkid is asked', async () => {
    device('vda3');
    device('vdb3');
    expect(await commandsFor('LABEL=COS_OEM')).toEqual(['/dev/asked', 'ext4', 1]);
  });

  test('a member of a RAID has its label and something behind it: blkid is asked', async () => {
    device('vda3', { bytes: size + 128 * 1024 });
    expect(await commandsFor('LABEL=COS_OEM')).toEqual(['/dev/asked', 'ext4', 1]);
  });

  test('something is made of it: blkid is asked', async () => {
    device('vda3', { holder: 'md0' });
    expect(await commandsFor('LABEL=COS_OEM')).toEqual(['/dev/asked', 'ext4', 1]);
  });
});

test('of two devices with one label the one on the boot disk wins', async () => {
  for (const [disk, name] of [
    ['vda', 'vda6'],
    ['vdb', 'vdb5'],
    ['vdb', 'vdb6'],
  ] as const) {
    mkdirSync(join(folder, 'sys/devices', disk, name), { recursive: true });
    mkdirSync(join(folder, 'sys/class/block'), { recursive: true });
    writeFileSync(join(folder, 'sys/devices', disk, name, 'partition'), '6\n');
    symlinkSync(`../../devices/${disk}/${name}`, join(folder, 'sys/class/block', name));
  }
  const host = directoryHost(folder, {
    mounts: [{ source: '/dev/vdb5', target: '/slot', type: 'ext4', options: [] }],
    run: () => ({ stdout: line('/dev/vda6', 'COS_PERSISTENT') + line('/dev/vdb6', 'COS_PERSISTENT') }),
  });
  const clock: Clock = { now: () => 0, sleep: async () => undefined };
  const found = await blockDevices(host, clock, '/slot', noHardware).find('LABEL=COS_PERSISTENT', 0);
  expect([found?.device.path, found?.others.map(({ path }) => path)]).toEqual(['/dev/vdb6', ['/dev/vda6']]);
});
